import type { Format } from 'ajv'
import { fastFormats } from 'ajv-formats/dist/formats.js'

/** The formats that are the same in ajv-formats' *fast* mode. */
const UNCHANGED = [
  ...(['date', 'uri', 'uri-reference', 'uri-template', 'email', 'hostname', 'regex', 'uuid'] as const),
  ...(['json-pointer', 'json-pointer-uri-fragment', 'relative-json-pointer'] as const),
]

/**
 * The formats of Ajv 6, as lenient as there, because stricter ones would refuse real traffic (docs/contract.md 3). A
 * uri-reference may hold any character except spaces, and a time needs no zone. Other formats are not checked.
 */
export const formats: Record<string, Format> = {
  ...Object.fromEntries(UNCHANGED.map(name => [name, fastFormats[name] as Format])),
  time: isTime,
  'date-time': isDateTime,
  ipv4: isIpv4,
  ipv6: isIpv6,
  url: isUrl,
}

const TIME = /^(?:[0-2]\d:[0-5]\d:[0-5]\d|23:59:60)(?:\.\d+)?/
const ZONE = /^(?:z|[+-]\d\d(?::?\d\d)?)$/i

/** `12:30:00`, with fractions and a zone or without. */
function isTime(text: string): boolean {
  const clock = TIME.exec(text)
  if (!clock) return false
  const zone = text.slice(clock[0].length)
  return zone === '' || ZONE.test(zone)
}

/** A date, a `T` or a blank, and a time with a zone. */
function isDateTime(text: string): boolean {
  if (!/^\d{4}-[01]\d-[0-3]\d[tT\s]/.test(text)) return false
  const clock = TIME.exec(text.slice(11))
  return clock !== null && ZONE.test(text.slice(11 + clock[0].length))
}

/** Four numbers up to 255, which may begin with zeros. */
function isIpv4(text: string): boolean {
  const numbers = text.split('.')
  return numbers.length === 4 && numbers.every(number => /^\d{1,3}$/.test(number) && Number(number) <= 255)
}

/**
 * An address, which may have a zone (`fe80::1%eth0`) and blanks around it. The zone is any line, with any blanks
 * after it; one regular expression for both would try each blank as the end of the line.
 */
function isIpv6(text: string): boolean {
  const [whole, address, percent] = /^\s*([\da-f:.]+)(%.)?/i.exec(text) ?? []
  if (whole === undefined || address === undefined || !(fastFormats.ipv6 as RegExp).test(address))
    return false
  const rest = text.slice(whole.length).trimEnd()
  return percent === undefined ? rest === '' : /^.*$/.test(rest)
}

/** Ajv 6's, without telling user and password apart, which would try each colon with each blank. */
const URL_FORMAT = new RegExp(
  (fastFormats.url as RegExp).source.replace('\\S+(?::\\S*)?@', '\\S+@'),
  (fastFormats.url as RegExp).flags,
)
/** Longer URLs have no blanks: they are allowed in a host only, and no host is longer. */
const MAX_BLANK_URL = 4096

function isUrl(text: string): boolean {
  return (text.length <= MAX_BLANK_URL || !/\s/.test(text)) && URL_FORMAT.test(text)
}
