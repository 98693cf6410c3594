# Counts up in a SQLite database, one transaction each: counter.py FILE TIMES. Also checks the database.
import sqlite3, sys

path, times = sys.argv[1], int(sys.argv[2])
database = sqlite3.connect(path, timeout=60, isolation_level=None)
for _ in range(times):
    database.execute("BEGIN IMMEDIATE")
    (value,) = database.execute("SELECT value FROM counter").fetchone()
    database.execute("UPDATE counter SET value = ?", (value + 1,))
    database.execute("INSERT INTO log VALUES (?, ?)", (value + 1, "x" * 500))
    database.execute("COMMIT")
print(database.execute("PRAGMA integrity_check").fetchone()[0])
