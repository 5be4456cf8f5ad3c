import assert from "node:assert/strict";
import { test } from "node:test";
import { microsOf } from "../../../lib/instant.ts";
import { intervalOf } from "../../../services/telemetry/duration.ts";
import { intervalsOf, startOfInterval } from "../../../services/telemetry/interval.ts";
import { timeZoneOf } from "../../../services/telemetry/time-zone.ts";
import { randomOf } from "../../ports/reading-store/random.ts";

test("an interval begins at the greatest multiple of its length that is not after the instant", () => {
  const random = randomOf(1970);
  for (let round = 0; round < 20_000; round++) {
    const ts = Math.floor((random() * 2 - 1) * 4.2e15 * (round % 2 ? 1 : 1e-9));
    const width = 1 + Math.floor(random() * 3.2e15 * (round % 3 ? 1e-6 : 1));
    const start = BigInt(startOfInterval(ts, width));
    assert.equal(start % BigInt(width), 0n, `${ts} in ${width}`);
    assert.ok(start <= BigInt(ts) && BigInt(ts) < start + BigInt(width), `${ts} in ${width}`);
  }
});

/** The beginnings of so many intervals, from the one that holds an instant on. */
function beginnings(interval: string, zone: string | undefined, from: string, count: number): string[] {
  const boundsOf = intervalsOf(intervalOf(interval), zone === undefined ? undefined : timeZoneOf(zone));
  const found: string[] = [];
  for (let at = microsOf(from); found.length < count; ) {
    const { start, end } = boundsOf(at);
    found.push(new Date(start / 1000).toISOString().slice(0, 16).replace("T", " "));
    at = end;
  }
  return found;
}

// The instants were worked out by hand from the zones' rules, not by this program.
for (const [what, interval, zone, from, expected] of [
  [
    "the day on which Berlin sets its clocks forward has 23 hours",
    "P1D",
    "Europe/Berlin",
    "2026-03-28T12:00:00Z",
    ["2026-03-27 23:00", "2026-03-28 23:00", "2026-03-29 22:00"],
  ],
  [
    "the day on which Berlin sets them back has 25 hours",
    "P1D",
    "Europe/Berlin",
    "2026-10-24T22:00:00Z",
    ["2026-10-24 22:00", "2026-10-25 23:00", "2026-10-26 23:00"],
  ],
  [
    "the hour that Berlin's clocks leave out is no hour",
    "PT1H",
    "Europe/Berlin",
    "2026-03-28T23:30:00Z",
    ["2026-03-28 23:00", "2026-03-29 00:00", "2026-03-29 01:00", "2026-03-29 02:00"],
  ],
  [
    "the hour that Berlin's clocks show twice is two hours",
    "PT1H",
    "Europe/Berlin",
    "2026-10-24T23:59:59Z",
    ["2026-10-24 23:00", "2026-10-25 00:00", "2026-10-25 01:00", "2026-10-25 02:00"],
  ],
  [
    "a quarter of Berlin's long day has 7 hours, the others 6",
    "PT6H",
    "Europe/Berlin",
    "2026-10-24T22:00:00Z",
    ["2026-10-24 22:00", "2026-10-25 05:00", "2026-10-25 11:00", "2026-10-25 17:00", "2026-10-25 23:00"],
  ],
  [
    "weeks in Berlin begin on Monday at its midnight, over the change to summer time too",
    "P1W",
    "Europe/Berlin",
    "2026-03-25T00:00:00Z",
    ["2026-03-22 23:00", "2026-03-29 22:00", "2026-04-05 22:00"],
  ],
  [
    "two weeks begin on every other Monday since that of 1969-12-29",
    "P2W",
    "Europe/Berlin",
    "1970-01-01T00:00:00Z",
    ["1969-12-28 23:00", "1970-01-11 23:00"],
  ],
  [
    "months in New York begin at its midnight, in winter and in summer time",
    "P1M",
    "America/New_York",
    "2026-02-15T00:00:00Z",
    ["2026-02-01 05:00", "2026-03-01 05:00", "2026-04-01 04:00", "2026-05-01 04:00"],
  ],
  [
    "months end with the year, and February is as long as it is",
    "P1M",
    "America/New_York",
    "2023-12-31T12:00:00Z",
    ["2023-12-01 05:00", "2024-01-01 05:00", "2024-02-01 05:00", "2024-03-01 05:00"],
  ],
  [
    "the days of New York's two changes",
    "P1D",
    "America/New_York",
    "2026-03-08T12:00:00Z",
    ["2026-03-08 05:00", "2026-03-09 04:00"],
  ],
  [
    "the hour that New York has twice is two",
    "PT1H",
    "America/New_York",
    "2026-11-01T04:00:00Z",
    ["2026-11-01 04:00", "2026-11-01 05:00", "2026-11-01 06:00", "2026-11-01 07:00"],
  ],
  [
    "years in Kolkata begin five and a half hours before those of UTC",
    "P1Y",
    "Asia/Kolkata",
    "2026-06-01T00:00:00Z",
    ["2025-12-31 18:30", "2026-12-31 18:30"],
  ],
  [
    "hours in Kolkata begin at its full hours",
    "PT1H",
    "Asia/Kolkata",
    "2026-06-01T00:00:00Z",
    ["2026-05-31 23:30", "2026-06-01 00:30"],
  ],
  [
    "quarters of an hour in Kathmandu (+05:45)",
    "PT30M",
    "Asia/Kathmandu",
    "2026-06-01T00:00:00Z",
    ["2026-05-31 23:45", "2026-06-01 00:15"],
  ],
  [
    "Lord Howe sets its clocks forward by half an hour: that day has 23.5 hours",
    "P1D",
    "Australia/Lord_Howe",
    "2026-10-03T13:30:00Z",
    ["2026-10-03 13:30", "2026-10-04 13:00"],
  ],
  [
    "Lord Howe sets them back by half an hour: that day has 24.5 hours",
    "P1D",
    "Australia/Lord_Howe",
    "2026-04-04T13:00:00Z",
    ["2026-04-04 13:00", "2026-04-05 13:30"],
  ],
  [
    "the hour that Lord Howe's clocks begin in the middle has 30 minutes",
    "PT1H",
    "Australia/Lord_Howe",
    "2026-10-03T14:30:00Z",
    ["2026-10-03 14:30", "2026-10-03 15:30", "2026-10-03 16:00", "2026-10-03 17:00"],
  ],
  [
    "the hour that Lord Howe's clocks go back into has 90 minutes",
    "PT1H",
    "Australia/Lord_Howe",
    "2026-04-04T14:00:00Z",
    ["2026-04-04 14:00", "2026-04-04 15:30", "2026-04-04 16:30"],
  ],
  [
    "the day that Apia left out (2011-12-30) is no day",
    "P1D",
    "Pacific/Apia",
    "2011-12-29T12:00:00Z",
    ["2011-12-29 10:00", "2011-12-30 10:00", "2011-12-31 10:00"],
  ],
  [
    "Apia's last week of 2011 has six days",
    "P1W",
    "Pacific/Apia",
    "2011-12-29T12:00:00Z",
    ["2011-12-26 10:00", "2012-01-01 10:00"],
  ],
  [
    "a day whose midnight Havana shows twice begins at the first",
    "P1D",
    "America/Havana",
    "2026-10-31T12:00:00Z",
    ["2026-10-31 04:00", "2026-11-01 04:00", "2026-11-02 05:00"],
  ],
  [
    "a day whose midnight São Paulo leaves out begins at one o'clock",
    "P1D",
    "America/Sao_Paulo",
    "2018-11-03T12:00:00Z",
    ["2018-11-03 03:00", "2018-11-04 03:00", "2018-11-05 02:00"],
  ],
  [
    "a day that had begun when St. John's went back into the one before goes on",
    "P1D",
    "America/St_Johns",
    "2010-11-06T12:00:00Z",
    ["2010-11-06 02:30", "2010-11-07 02:30", "2010-11-08 03:30"],
  ],
  [
    "without a zone months are those of UTC",
    "P1M",
    undefined,
    "2024-02-29T23:59:59Z",
    ["2024-02-01 00:00", "2024-03-01 00:00"],
  ],
  [
    "quarters of a year, before 1970 too",
    "P3M",
    undefined,
    "1969-12-31T23:59:59Z",
    ["1969-10-01 00:00", "1970-01-01 00:00", "1970-04-01 00:00"],
  ],
  [
    "without a zone a week begins on Thursday, as 1970 did",
    "P1W",
    undefined,
    "2026-01-07T00:00:00Z",
    ["2026-01-01 00:00", "2026-01-08 00:00"],
  ],
  ["in UTC it begins on Monday", "P1W", "UTC", "2026-01-07T00:00:00Z", ["2026-01-05 00:00", "2026-01-12 00:00"]],
] as const)
  test(what, () => assert.deepEqual(beginnings(interval, zone, from, expected.length), expected));

const MINUTE = 60_000_000;

/** What the clocks on the wall show, as minutes since their 1970, by other means than the program's. */
function wallClock(zone: string): (minute: number) => number {
  const format = new Intl.DateTimeFormat("sv-SE", {
    timeZone: zone,
    dateStyle: "short",
    timeStyle: "medium",
  });
  return (minute) => Date.parse(`${format.format(minute * 60_000).replace(" ", "T")}Z`) / 60_000;
}

for (const [zone, ...days] of [
  ["Europe/Berlin", "2026-03-29", "2026-10-25"],
  ["America/New_York", "2026-03-08", "2026-11-01"],
  ["Asia/Kolkata", "2026-01-01"],
  ["Australia/Lord_Howe", "2026-04-05", "2026-10-04"],
  ["Pacific/Apia", "2011-12-30", "2011-09-24"],
  ["America/Havana", "2026-03-08", "2026-11-01"],
  ["America/Sao_Paulo", "2018-02-18", "2018-11-04"],
  ["America/St_Johns", "2010-03-14", "2010-11-07"],
  ["Africa/Casablanca", "2026-02-15", "2026-03-22"],
  ["Pacific/Kwajalein", "1993-08-21"],
  ["UTC", "2026-01-01"],
] as const)
  test(`around its changes, intervals in ${zone} begin where clocks on the wall say, minute for minute`, () => {
    const show = wallClock(zone);
    for (const day of days) {
      const first = Date.parse(day) / 60_000 - 3 * 1440;
      const shown = Array.from({ length: 6 * 1440 }, (_, minute) => show(first + minute));
      for (const [text, minutes, isDays] of [
        ["PT15M", 15, false],
        ["PT1H", 60, false],
        ["PT2H", 120, false],
        ["PT5H", 300, false],
        ["PT12H", 720, false],
        ["P1D", 1440, true],
        ["P2D", 2880, true],
      ] as const) {
        // Of days the first time that the clock shows one or a later one; of hours each time, or the jump over it.
        let latest = shown[0] as number;
        const begins = shown.map((now, minute) => {
          const before = minute === 0 ? now : (shown[minute - 1] as number);
          const [reached, last] = isDays ? [Math.max(latest, now), latest] : [now, before];
          latest = Math.max(latest, now);
          if (isDays) return Math.floor(reached / minutes) > Math.floor(last / minutes);
          return now % minutes === 0 || (now > before && Math.floor(now / minutes) > Math.floor(before / minutes));
        });
        const boundsOf = intervalsOf(intervalOf(text), timeZoneOf(zone));
        const starts = begins.flatMap((begin, minute) => (begin ? [minute] : []));
        for (let minute = starts[0] as number; minute < (starts.at(-1) as number); minute += 7) {
          const next = starts.findIndex((start) => start > minute);
          const { start, end } = boundsOf((first + minute) * MINUTE + 1);
          assert.deepEqual(
            [start / MINUTE - first, end / MINUTE - first],
            [starts[next - 1], starts[next]],
            `${text} at ${new Date((first + minute) * 60_000).toISOString()}`,
          );
        }
      }
    }
  });

for (const name of ["Mars/Olympus", "", "+05:30", "-01:00", "Europe/Berlin ", "../etc/passwd", "a".repeat(65), "CEST"])
  test(`${JSON.stringify(name)} is no time zone`, () =>
    assert.throws(() => timeZoneOf(name), { name: "TimeZoneError", message: /IANA/ }));
