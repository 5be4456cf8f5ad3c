# DUCKDB_PYTHON bench/duckdb_hourly.py FOLDER CSV: loads the rows (ts in microseconds, three metrics) into a table of
# DuckDB, then answers each line "run" or "show" with a line of JSON: what the hourly means took, and with "show" them.
import json
import sys
import time

import duckdb

folder, csv = sys.argv[1:3]
db = duckdb.connect(folder + "/rows.duckdb")
db.execute(
    "CREATE TABLE reading AS SELECT 'default' AS tenant, 'bench' AS device, make_timestamp(ts) AS ts, "
    "temperature, humidity, pressure FROM read_csv(?, header = false, columns = {'ts': 'BIGINT', "
    "'temperature': 'DOUBLE', 'humidity': 'DOUBLE', 'pressure': 'DOUBLE'})",
    [csv],
)
db.execute("CHECKPOINT")
rows = db.execute("SELECT count(*) FROM reading").fetchone()[0]
print(json.dumps({"rows": rows, "version": duckdb.__version__}), flush=True)

SQL = (
    "SELECT epoch_us(date_trunc('hour', ts)) AS hour, avg(temperature), avg(humidity), avg(pressure) FROM reading "
    "WHERE tenant = 'default' AND device = 'bench' GROUP BY hour ORDER BY hour"
)
for line in sys.stdin:
    wall, cpu = time.perf_counter(), time.process_time()
    hours = db.execute(SQL).fetchall()
    answer = {
        "ms": (time.perf_counter() - wall) * 1000,
        "cpuMs": (time.process_time() - cpu) * 1000,
        "hours": len(hours),
    }
    if line.strip() == "show":
        answer["means"] = hours
    print(json.dumps(answer), flush=True)
