import RandExpModule from 'randexp'
import type { JsonSchema } from '../../schemas/json-schema.js'
import { looseTimeOf } from '../../time.js'

// The module is the class itself, whatever its types say.
const RandExp = RandExpModule as unknown as typeof RandExpModule.default

/** Texts of each format that is checked. */
const OF_FORMAT: Record<string, readonly string[]> = {
  date: ['2026-01-01'],
  time: ['12:00:00', '12:00:00Z'],
  'date-time': ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00.000Z'],
  uri: ['https://example.org/', 'a:b'],
  'uri-reference': ['/', 'https://example.org/', ''],
  'uri-template': ['/{id}', ''],
  url: ['https://example.org/', 'http://a.b'],
  email: ['someone@example.org', 'a@b'],
  hostname: ['example.org', 'a'],
  ipv4: ['192.0.2.1', '1.1.1.1'],
  ipv6: ['2001:db8::1', '::1'],
  regex: ['^text$', ''],
  uuid: ['00000000-0000-4000-8000-000000000000'],
  'json-pointer': ['/a', ''],
  'json-pointer-uri-fragment': ['#/a', '#'],
  'relative-json-pointer': ['1/a', '0'],
}

const MAX_LENGTH = 10_000

interface Rules {
  minLength?: number
  maxLength?: number
  pattern?: string
  format?: string
}

/** Texts that may satisfy a schema, those most like `like` first. The caller checks them. */
export function* texts(schema: JsonSchema, like?: string): Generator<string> {
  const { minLength = 0, maxLength = Infinity, pattern, format } = schema as Rules
  const all = new Set<string>()
  if (like !== undefined) for (const text of variants(like)) all.add(text)
  for (const text of OF_FORMAT[format ?? ''] ?? []) all.add(text)
  if (typeof pattern === 'string') for (const text of ofPattern(pattern, minLength)) all.add(text)
  if (like !== undefined && like !== '') all.add(like)
  for (const text of ['text', 'a', '0', 'A', ' ']) all.add(text)
  for (const text of all) {
    yield text
    const chars = [...text]
    if (chars.length > maxLength) yield chars.slice(0, maxLength).join('')
    if (chars.length < minLength && minLength <= MAX_LENGTH) {
      const last = chars.at(-1) ?? 'x'
      yield text + (/\s/.test(last) ? 'x' : last).repeat(minLength - chars.length)
      yield text + 'x'.repeat(minLength - chars.length)
    }
  }
}

/** Other ways to write the same. */
function* variants(text: string): Generator<string> {
  const trimmed = text.trim()
  yield* [trimmed, text.toLowerCase(), text.toUpperCase()]
  for (const filler of '_-') yield trimmed.replace(/\s+/g, filler)
  for (const filler of '_-') yield trimmed.toLowerCase().replace(/[^a-z0-9]+/g, filler)
  const time = /^\d{4}-\d\d-\d\d|^\w{3}, /.test(text) ? looseTimeOf(text) : Number.NaN
  if (!Number.isNaN(time)) {
    const iso = new Date(time).toISOString()
    yield iso
    yield iso.slice(0, 10)
  }
  if (/^[\w.-]+\.[a-z]{2,}(\/|$)/i.test(text)) yield `https://${text}`
  if (/\s/.test(text)) yield encodeURI(text)
}

/** How far a choice in a pattern is from the first one. */
const CHOICES = [0, 1, 2, 5, 10, 30]

function* ofPattern(pattern: string, minLength: number): Generator<string> {
  for (const far of [...CHOICES, ...(minLength > 0 && minLength <= 1000 ? [minLength] : [])]) {
    try {
      const random = new RandExp(new RegExp(pattern))
      random.max = Math.max(10, far)
      // A dot or a class means letters and digits before anything else.
      random.defaultRange.subtract(32, 126)
      random.defaultRange.add(97, 122).add(48, 57)
      random.randInt = (least: number, most: number) => Math.min(most, least + far)
      yield random.gen()
    } catch {
      return
    }
  }
}
