"""Writes a row every 20 ms and prints the outcome of each write, with the directory of the database that stored it; the
argument is the connection string."""

import os.path
import sys
import time

import psycopg2

INTERVAL = 0.02

connection = None
number = 0
while True:
    number += 1
    started = time.monotonic()
    try:
        if connection is None:
            connection = psycopg2.connect(sys.argv[1])
            connection.autocommit = True
        with connection.cursor() as cursor:
            returning = "RETURNING current_setting('data_directory')"
            cursor.execute("INSERT INTO writes (number) VALUES (%s) " + returning, (number,))
            directory = os.path.dirname(cursor.fetchone()[0])
        print("ok", number, os.path.basename(directory), flush=True)
    except psycopg2.Error as error:
        print("failed", number, " ".join(str(error).split()), flush=True)
        if connection is not None:
            connection.close()
            connection = None
    time.sleep(max(0.0, started + INTERVAL - time.monotonic()))
