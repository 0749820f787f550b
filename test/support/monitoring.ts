import { type Reply, send } from './service.js'

// biome-ignore lint/suspicious/noExplicitAny: a document is looked into freely
type Document = any

interface Checked {
  /** `get /_info: what the service is`, of each example that was tried. */
  tried: string[]
  /** What monitoring would alert about. */
  complaints: string[]
}

/**
 * Does what service-checker does, with which Wikimedia's monitoring and `helm test` watch a service. It reads `?spec`
 * and tries its `x-amples`. It knows GET and POST, and posts forms, never JSON. A GET without examples must answer
 * 200. It follows no redirects. An expected text may be only the beginning of the answer.
 */
export async function monitor(url: string): Promise<Checked> {
  const { hostname: host } = new URL(url)
  const spec: Document = (await send(`${url}/?spec`, { headers: { host } })).json()
  const tried: string[] = []
  const complaints: string[] = []
  for (const [path, item] of Object.entries<Document>(spec.paths)) {
    for (const method of ['get', 'post']) {
      const operation = item[method]
      if (!operation || operation['x-monitor'] === false) continue
      const untold = method === 'get' ? [{ request: {}, response: { status: 200 } }] : []
      for (const example of operation['x-amples'] ?? untold) {
        const name = `${method} ${path}: ${example.title ?? 'without an example'}`
        tried.push(name)
        const reply = await ask(url, host, method, path, example.request)
        const complaint = complaintOf(reply, example.response)
        if (complaint) complaints.push(`${name}: ${complaint}`)
      }
    }
  }
  return { tried, complaints }
}

function ask(url: string, host: string, method: string, path: string, request: Document): Promise<Reply> {
  const { params = {}, query = {}, body = {}, headers = {} } = request
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(params[name] ?? ''))
  const search = method === 'get' && Object.keys(query).length > 0 ? `?${new URLSearchParams(query)}` : ''
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  return send(`${url}${filled}${search}`, {
    method: method.toUpperCase(),
    headers: { host, ...(method === 'post' ? form : {}), ...headers },
    ...(method === 'post' ? { body: String(new URLSearchParams(body)) } : {}),
  })
}

function complaintOf(reply: Reply, expected: Document): string | undefined {
  if (reply.status !== expected.status) return `${reply.status}, not ${expected.status}: ${reply.body}`
  for (const [name, value] of Object.entries<string>(expected.headers ?? {})) {
    if (!fits(reply.headers[name.toLowerCase()], value))
      return `header ${name}: ${reply.headers[name.toLowerCase()]}`
  }
  if (expected.body === undefined) return undefined
  const isWhole = typeof expected.body !== 'object'
  return fitsInto(isWhole ? reply.body : reply.json(), expected.body) ? undefined : `body ${reply.body}`
}

/** A text in slashes is a regular expression. */
function fits(value: unknown, expected: unknown): boolean {
  const text = String(expected)
  if (/^\/.*\/$/.test(text)) return new RegExp(text.slice(1, -1)).test(String(value))
  return String(value).startsWith(text)
}

/** Whether all that is expected of a value is in it; what else it has is of no matter. */
function fitsInto(value: Document, expected: Document): boolean {
  if (typeof expected !== 'object' || expected === null) return fits(value, expected)
  return Object.entries(expected).every(([name, part]) => fitsInto(value?.[name], part))
}
