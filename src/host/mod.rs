//! What this host does: addresses, announcements, connections.
