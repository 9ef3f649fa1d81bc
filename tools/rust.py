"""What the tools share: Rust source without comments, literals and tests, and its tree of modules.

This is no parser. It knows as much of Rust's syntax as the tools need and rustfmt guarantees.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

LITERAL = re.compile(
    r'//[^\n]*'
    r'|b?r(?P<hashes>#*)"[\s\S]*?"(?P=hashes)'
    r'|[bc]?"(?:\\[\s\S]|[^"\\])*"'
    r"|b?'(?:\\(?:u\{[^}]*\}|x..|.)|[^'\\\n])'"
)


def blank(text):
    """Spaces of the same shape: offsets and line numbers stay valid."""
    return re.sub(r'[^\n]', ' ', text)


def without_comments(text, literals=False):
    """The code without comments, and without literals unless they are asked for."""
    out, at = [], 0
    while True:
        block = text.find('/*', at)
        match = LITERAL.search(text, at)
        if block != -1 and (match is None or block < match.start()):
            end, depth = block + 2, 1
            while depth and end < len(text):
                if text.startswith('/*', end):
                    depth, end = depth + 1, end + 2
                elif text.startswith('*/', end):
                    depth, end = depth - 1, end + 2
                else:
                    end += 1
            out += [text[at:block], blank(text[block:end])]
            at = end
        elif match:
            keep = literals and not match.group().startswith('//')
            out += [text[at:match.start()], match.group() if keep else blank(match.group())]
            at = match.end()
        else:
            return ''.join(out) + text[at:]


def end_of_block(code, opening):
    """The offset after the brace that closes the one at `opening`."""
    depth = 0
    for at in range(opening, len(code)):
        depth += {'{': 1, '}': -1}.get(code[at], 0)
        if depth == 0:
            return at + 1
    return len(code)


def end_of_item(code, start):
    """The offset after the item that starts here: its semicolon or its closing brace."""
    depth = 0
    for at in range(start, len(code)):
        if code[at] in '([':
            depth += 1
        elif code[at] in ')]':
            depth -= 1
        elif code[at] == ';' and depth == 0:
            return at + 1
        elif code[at] == '{' and depth == 0:
            end = end_of_block(code, at)
            # A `use a::{b, c};` closes its brace before its semicolon.
            return end + 1 if code[end:end + 1] == ';' else end
    return len(code)


TEST = re.compile(r'#\[cfg\(test\)\]')


def test_items(code):
    """The spans of items under `#[cfg(test)]`, attribute included."""
    spans, at = [], 0
    while match := TEST.search(code, at):
        start = match.end()
        while attribute := re.compile(r'\s*#\[').match(code, start):
            depth = 1
            start = attribute.end()
            while depth:
                depth += {'[': 1, ']': -1}.get(code[start], 0)
                start += 1
        at = end_of_item(code, start)
        spans.append((match.start(), at))
    return spans


ITEM = re.compile(
    r'\b(?:struct|enum|union|trait|fn|type|const|static|macro_rules!)\s+(?:mut\s+)?(?P<name>\w+)'
    r'|\bmod\s+(?P<module>\w+)\s*(?P<open>[;{])'
    r'|(?P<use>(?P<pub>\bpub\s+)?\buse\s+(?P<tree>[^;]+);)'
)


@dataclass
class Module:
    path: tuple
    file: Path
    children: set = field(default_factory=set)
    items: set = field(default_factory=set)
    # name -> (path, re-exported, offset)
    uses: dict = field(default_factory=dict)
    # (path, re-exported, offset)
    globs: list = field(default_factory=list)


@dataclass
class Source:
    file: Path
    module: tuple
    text: str
    code: str
    # The numbers of the lines that belong to tests, from 0.
    test_lines: set = field(default_factory=set)
    # The code without its `use` declarations.
    body: str = ''
    # (start, end, module) of the modules that are written in this file.
    inline: list = field(default_factory=list)

    def module_at(self, offset):
        inside = [module for start, end, module in self.inline if start <= offset < end]
        return max(inside, key=len, default=self.module)


def leaves(tree, prefix=()):
    """The paths of a use tree, each with the name that it binds."""
    tree = tree.strip()
    brace = tree.find('{')
    if brace != -1:
        head = tuple(part for part in re.split(r'\s*::\s*', tree[:brace].strip()) if part)
        depth, start = 0, brace + 1
        for at in range(brace, len(tree)):
            depth += {'{': 1, '}': -1}.get(tree[at], 0)
            if (tree[at] == ',' and depth == 1) or depth == 0:
                if tree[start:at].strip():
                    yield from leaves(tree[start:at], prefix + head)
                start = at + 1
            if depth == 0:
                return
        return
    path, _, alias = tree.partition(' as ')
    path = prefix + tuple(re.split(r'\s*::\s*', path.strip()))
    if path[-1] == 'self' and len(path) > 1:
        path = path[:-1]
    yield path, alias.strip() or path[-1]


class Crate:
    """The modules of one crate and the files that they are written in, without tests."""

    def __init__(self, name, root):
        self.name, self.root = name, Path(root)
        self.modules, self.sources = {}, {}
        for start in ('lib.rs', 'main.rs'):
            if (self.root / start).exists():
                self._read(self.root / start, () if start == 'lib.rs' else ('main',), self.root)

    def _read(self, file, module, folder):
        text = file.read_text()
        code = re.sub(r'\bpub\s*\([^)]*\)', lambda found: 'pub' + blank(found.group())[3:], without_comments(text))
        tests = set()
        for start, end in test_items(code):
            tests |= set(range(code.count('\n', 0, start), code.count('\n', 0, end) + 1))
            code = code[:start] + blank(code[start:end]) + code[end:]
        source = Source(file, module, text, code, tests, code)
        self.sources[file] = source
        self._scan(source, module, 0, len(code), folder)

    def _scan(self, source, path, start, end, folder):
        module = self.modules[path] = Module(path, source.file)
        at = start
        while match := ITEM.search(source.code, at, end):
            brace = source.code.find('{', at, match.start())
            if brace != -1:
                # What is inside of blocks before the item is no item of this module.
                at = end_of_block(source.code, brace)
                continue
            at = match.end()
            if match['name']:
                module.items.add(match['name'])
                at = end_of_item(source.code, at)
            elif match['use']:
                for target, name in leaves(match['tree']):
                    entry = (target, bool(match['pub']), match.start())
                    if name == '*':
                        module.globs.append((target[:-1], *entry[1:]))
                    else:
                        module.uses[name] = entry
                source.body = source.body[:match.start()] + blank(match.group()) + source.body[at:]
            elif match['open'] == '{':
                child = path + (match['module'],)
                module.children.add(match['module'])
                close = end_of_block(source.code, at - 1)
                source.inline.append((at, close, child))
                self._scan(source, child, at, close, folder / match['module'])
                at = close
            else:
                name = match['module']
                module.children.add(name)
                for file in (folder / f'{name}.rs', folder / name / 'mod.rs'):
                    if file.exists():
                        self._read(file, (path if path != ('main',) else ()) + (name,), folder / name)

    def resolve(self, module, path, seen=()):
        """The module and item (or none) that a path means in a module; none where it leaves the crate."""
        at, rest = module, list(path)
        if rest[0] in ('crate', self.name):
            at, rest = (), rest[1:]
        elif rest[0] in ('self', 'super'):
            while rest and rest[0] in ('self', 'super'):
                at = at[:-1] if rest[0] == 'super' else at
                rest = rest[1:]
        else:
            found = self._lookup(at, rest[0], seen)
            if found is None or found[1]:
                return found
            at, rest = found[0], rest[1:]
        for name in rest:
            found = self._lookup(at, name, seen)
            if found is None or found[1]:
                return found
            at = found[0]
        return (at, None) if at in self.modules else None

    def _lookup(self, at, name, seen):
        if at not in self.modules or (at, name) in seen:
            return None
        module, seen = self.modules[at], (*seen, (at, name))
        if name in module.items:
            return at, name
        if name in module.children:
            child = at + (name,)
            return (child, None) if child in self.modules else None
        if name in module.uses:
            target = module.uses[name][0]
            return self.resolve(at, target, seen)
        for target, _, _ in module.globs:
            base = self.resolve(at, target, seen)
            if base and base[1] is None and (found := self._lookup(base[0], name, seen)):
                return found
        return None
