/** ISO 8601 as clients write it: `T` or a blank before the time; seconds, a fraction and a zone are optional. */
const ISO_8601 =
  /^(\d{4}|[+-]\d{6})-(\d\d)(?:-(\d\d)(?:[Tt\s](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?:\s?(?:[Zz]|([+-]\d\d)(?::?(\d\d))?))?)?)?$/

const MINUTE = 60_000
const DAY = 1440 * MINUTE
/** The last moment that a Date can hold. */
const MAX_TIME = 8.64e15

/**
 * Reads a time: milliseconds since the epoch, or the reason why it is not one. A time without a zone is UTC, whatever
 * the zone of the process. A leap second is the last millisecond of its minute.
 */
export function timeOf(text: string): number | string {
  const match = ISO_8601.exec(text)
  if (!match) return 'it is not in ISO 8601'
  const [, years, months, days = '01', hours = '00', minutes = '00', seconds = '00', fraction, zone] = match
  const hour = Number(hours)
  const minute = Number(minutes)
  const second = Number(seconds)
  const millisecond = fraction === undefined ? 0 : Number(fraction.slice(0, 3).padEnd(3, '0'))
  const day = dayOf(Number(years), Number(months), Number(days))
  if (day === undefined) return `there is no day ${years}-${months}-${days}`
  const offset = zone === undefined ? 0 : offsetOf(zone, match[9])
  if (offset === undefined) return 'its zone is not an offset from UTC'
  const local = day + (hour * 60 + minute) * MINUTE
  const isMidnight = hour === 24 && minute === 0 && second === 0 && millisecond === 0
  const isLeapSecond = second === 60 && (endsDay(local) || endsDay(local - offset))
  if ((hour > 23 && !isMidnight) || minute > 59 || (second > 59 && !isLeapSecond))
    return `there is no time ${hours}:${minutes}:${seconds}`
  const time = local - offset + (isLeapSecond ? MINUTE - 1 : second * 1000 + millisecond)
  return Math.abs(time) <= MAX_TIME ? time : 'it is out of range'
}

/** The first millisecond of a day; undefined if the day does not exist. */
function dayOf(year: number, month: number, day: number): number | undefined {
  // `Date.UTC` takes years below 100 for the 20th century.
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? date.getTime() : undefined
}

/** Milliseconds; undefined beyond a day. */
function offsetOf(zone: string, minutes = '0'): number | undefined {
  const hours = Math.abs(Number(zone))
  if (hours > 23 || Number(minutes) > 59) return undefined
  return (hours * 60 + Number(minutes)) * (zone.startsWith('-') ? -MINUTE : MINUTE)
}

function endsDay(minute: number): boolean {
  return (minute + MINUTE) % DAY === 0
}

/** The zones that `Date.parse` knows, at the end of a text. */
const NAMED_ZONE = /(?:[+-]\d\d:?\d\d|\b(?:Z|UTC?|GMT|[ECMP][SD]T))\s*$/i

/** A time in any form that people write; NaN if it is not a time. */
export function looseTimeOf(text: string): number {
  const time = timeOf(text)
  if (typeof time === 'number') return time
  return Date.parse(NAMED_ZONE.test(text) ? text : `${text} UTC`)
}

const UNIT_SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 }

/** Seconds of a duration such as `90s`, `15m`, `2h` or `7d`; undefined if it is anything else. */
export function secondsOf(text: unknown): number | undefined {
  const [, count, unit] = /^([1-9]\d{0,5})([smhd])$/.exec(String(text)) ?? []
  return unit === undefined ? undefined : Number(count) * UNIT_SECONDS[unit as keyof typeof UNIT_SECONDS]
}
