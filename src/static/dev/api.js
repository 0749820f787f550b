// @ts-check
// The service's development API (/_dev), and the events that the page sends.

/** @typedef {import('./json.js').Operation} Operation */
/**
 * @typedef {{ path: string, keyword: string | null, message: string, schema_path: string | null,
 *   explanation?: string, rule?: any, schema?: any,
 *   suggestion?: null | { text: string, patch: Operation[], passes: boolean }, why_not?: string | null }} Detail
 * @typedef {{ code: string, message: string, details: Detail[], mended?: null | { text: string, patch: Operation[] } }} Refusal
 * @typedef {{ seq: number, received_at: string, request_id: string, index: number, delivery: string,
 *   outcome: 'accepted' | 'refused' | 'failed' | 'unknown', stream: string | null, schema_uri: string | null,
 *   event: any, cut: boolean, text?: string,
 *   produced: null | { topic: string, key: any, timestamp: number, event?: any }, error: Refusal | null }} Entry
 * @typedef {{ index: number, outcome: string, stream: string | null, schema_uri: string | null, error: Refusal | null,
 *   event: any, topic: string | null, key: any, timestamp: any }} Prospect
 */

/**
 * @typedef {{ at: string, uri: string, verdict: 'compatible' | 'breaks' | 'cannot_tell', event?: any,
 *   rule?: { path: string, keyword: string, message: string } }} Edit
 */

/** @param {string} path @param {RequestInit} [init] */
async function ask(path, init) {
  const response = await fetch(path, init)
  if (response.status === 204) return null
  if (response.ok) return response.json()
  throw new Error(await reasonOf(response))
}

/** @param {Response} response @returns {Promise<string>} */
async function reasonOf(response) {
  try {
    const body = await response.json()
    const [first] = [...(body.invalid ?? []), ...(body.error ?? [])]
    return first.context.message
  } catch {
    return `${response.status} ${response.statusText}`
  }
}

export const api = {
  /** @param {{ limit: number, before?: number }} query @returns {Promise<{ entries: Entry[], total_seen: number, kept: number, dropped: number }>} */
  list: ({ limit, before }) => ask(`/_dev/events?limit=${limit}${before ? `&before=${before}` : ''}`),
  /** @param {number} seq @returns {Promise<Entry>} */
  entry: seq => ask(`/_dev/events/${seq}`),
  /** @param {string} requestId @returns {Promise<Entry | undefined>} */
  ofRequest: async requestId =>
    (await ask(`/_dev/events?limit=1&request_id=${encodeURIComponent(requestId)}`)).entries[0],
  counts: () => ask('/_dev/counts'),
  /** @returns {Promise<{ edits: Edit[] }>} */
  edits: () => ask('/_dev/edits'),
  reset: () => ask('/_dev/events', { method: 'DELETE' }),
  /** @returns {Promise<{ schemas: { uri: string, title: string | null, description: string | null, examples: number }[] }>} */
  schemas: () => ask('/_dev/schemas'),
  /** @param {string} uri @returns {Promise<{ uri: string, schema: any, examples: any[], sample: any }>} */
  schema: uri => ask(`/_dev/schemas${uri.split('/').map(encodeURIComponent).join('/')}`),
  /** @param {string} text @param {AbortSignal} signal @returns {Promise<{ results: Prospect[] }>} */
  validate: (text, signal) => ask('/v1/validate', { ...posted(text), signal }),
  /** @param {string} text @param {{ hasty?: boolean }} [how] */
  async send(text, { hasty = false } = {}) {
    const requestId = randomId()
    const response = await fetch(hasty ? '/v1/events?hasty=true' : '/v1/events', posted(text, requestId))
    const ok = response.status === 201 || response.status === 202
    return { ok, status: response.status, requestId, message: ok ? '' : await reasonOf(response) }
  },
}

/** @param {string} body @param {string} [requestId] @returns {RequestInit} */
function posted(body, requestId) {
  /** @type {Record<string, string>} */
  const headers = { 'content-type': 'application/json' }
  if (requestId) headers['x-request-id'] = requestId
  return { method: 'POST', headers, body }
}

/** `crypto.randomUUID` exists on secure pages only. */
function randomId() {
  const hex = [...crypto.getRandomValues(new Uint8Array(16))]
    .map(byte => byte.toString(16).padStart(2, '0'))
    .join('')
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, '$1-$2-4$3-8$4-$5')
}

/** A shell command that sends the same again. @param {string} text @param {string} delivery */
export function curlOf(text, delivery) {
  const url = `${location.origin}/v1/events${delivery === 'hasty' ? '?hasty=true' : ''}`
  const quoted = text.replace(/'/g, `'\\''`)
  return `curl -i '${url}' -H 'content-type: application/json' --data-binary '${quoted}'`
}
