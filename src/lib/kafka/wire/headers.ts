import type { Trace } from '../../eventgate.js'
import { encodeHeaders } from './records.js'

/** The events of a request share their headers' bytes. */
const encoded = new WeakMap<Trace, Buffer>()

/** By which consumers go on with a request's trace; undefined where it is not recorded. */
export function headersOf(trace: Trace): Buffer | undefined {
  if (!trace.headers) return undefined
  let headers = encoded.get(trace)
  if (!headers) {
    headers = encodeHeaders(trace.headers)
    encoded.set(trace, headers)
  }
  return headers
}
