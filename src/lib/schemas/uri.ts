import { GateError, quote } from '../errors.js'
import { isMetaSchema } from './document.js'

const MAX_LENGTH = 512

/** What decides which URIs are accepted. */
export interface UriRules {
  /** The field of events that names their schema. */
  uriField: string
  /** Whether an event may name its schema by an `http(s)` URI of its own choice. */
  allowAbsoluteUris: boolean
}

/**
 * The URI under which a schema is held, or why it is refused. Nothing else from an event reaches a path or an address.
 */
export function schemaUri(raw: unknown, { uriField, allowAbsoluteUris }: UriRules): string | GateError {
  if (typeof raw !== 'string' || raw === '') {
    return new GateError(
      'schema_uri_missing',
      `'.${uriField}' must be a schema's URI, such as "/test/event/1.0.0", not ${quote(raw)}`,
    )
  }
  const refused = (why: string) => new GateError('schema_uri_refused', `schema URI ${quote(raw)} ${why}`)
  if (/^https?:\/\//.test(raw)) {
    if (!allowAbsoluteUris || raw.length > MAX_LENGTH || !URL.canParse(raw))
      return refused('is absolute: name it as its repository does, such as "/test/event/1.0.0"')
    // A meta-schema accepts anything, and a part of a document is not a schema of events.
    return raw.includes('#') || isMetaSchema(raw) ? refused('names no schema of events') : raw
  }
  const uri = raw.startsWith('/') ? raw : `/${raw}`
  if (raw.length <= MAX_LENGTH && /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~@+-]+)+$/.test(uri)) return uri
  return refused('is not of the form "/title/version"')
}
