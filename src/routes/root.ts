import { get, type Route } from './mount.js'

/** The parts of an OpenAPI 3 document that its page shows. */
export interface Spec {
  info: { title: string; version: string; description: string }
  paths: Record<string, Record<string, Operation>>
  [other: string]: unknown
}

interface Operation {
  summary?: string
  description?: string
  parameters?: { name: string; in: string; description?: string; required?: boolean }[]
  requestBody?: { content: Record<string, { examples?: Record<string, BodyExample> }> }
  responses?: Record<string, { description: string }>
  'x-amples'?: Example[]
}

/** A GET request and its answer. Monitoring runs them against production, so they hold with any configuration. */
export interface Example {
  title: string
  request: {
    params?: Record<string, string>
    query?: Record<string, string>
    headers?: Record<string, string>
  }
  response: { status: number; headers?: Record<string, string>; body?: unknown }
}

/** A posted body and the status of its answer. It holds if the schemas that ship are the only ones. */
export interface BodyExample {
  summary: string
  value: unknown
  'x-status': number
}

/**
 * `/robots.txt`, `/?spec` and `/?doc`; `/` alone is left to others. Monitoring tries the paths of the document, so it
 * has only those that are `mounted`, or below a mounted path that ends with a slash.
 */
export function rootRoutes(document: Spec, mounted: readonly string[]): Route[] {
  const own = ['/', '/robots.txt']
  const isThere = (path: string) =>
    [...own, ...mounted].some(
      route =>
        route.replace(/:(\w+)/g, '{$1}') === path ||
        (route.length > 1 && route.endsWith('/') && path.startsWith(route)),
    )
  const paths = Object.entries(document.paths).filter(([path]) => isThere(path))
  const spec = { ...document, paths: Object.fromEntries(paths) }
  const page = pageOf(spec)
  return [
    get('/robots.txt', (_req, res) => res.type('text/plain').send('User-agent: *\nDisallow: /\n')),
    get('/', (req, res, next) => {
      if ('spec' in req.query) res.json(spec)
      else if ('doc' in req.query) res.type('html').send(page)
      else next()
    }),
  ]
}

function pageOf({ info, paths }: Spec): string {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      operation,
    })),
  )
  const contents = operations.map(
    ({ name, operation }) =>
      `<li><a href="#${anchorOf(name)}"><code>${escapeHtml(name)}</code></a> ${escapeHtml(operation.summary)}</li>`,
  )
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(info.title)}: HTTP API</title></head>
<body><main><h1>${escapeHtml(info.title)} ${escapeHtml(info.version)}</h1><p>${escapeHtml(info.description)}</p>
<p>The same as an OpenAPI document: <a href="/?spec">/?spec</a></p>
<ul>${contents.join('\n')}</ul>
${operations.map(({ name, operation }) => sectionOf(name, operation)).join('\n')}</main></body></html>
`
}

/** Has no style and no script, because the content-security-policy of some configurations refuses both. */
function sectionOf(name: string, operation: Operation): string {
  const { summary, description, parameters = [], responses = {}, 'x-amples': examples = [] } = operation
  const bodies = Object.entries(operation.requestBody?.content ?? {}).flatMap(([type, { examples = {} }]) =>
    Object.values(examples).map(example => bodyExampleOf(name, type, example)),
  )
  const given = parameters.map(
    ({ name, in: place, required, description }) =>
      `<dt><code>${escapeHtml(name)}</code> (${place}${required ? ', required' : ''})</dt><dd>${escapeHtml(description)}</dd>`,
  )
  const answers = Object.entries(responses).map(
    ([status, { description }]) => `<dt>${escapeHtml(status)}</dt><dd>${escapeHtml(description)}</dd>`,
  )
  return `<section id="${anchorOf(name)}"><h2><code>${escapeHtml(name)}</code></h2>
<p>${escapeHtml(summary)}</p>${description ? `<p>${escapeHtml(description)}</p>` : ''}
${given.length > 0 ? `<h3>Parameters</h3><dl>${given.join('')}</dl>` : ''}
<h3>Answers</h3><dl>${answers.join('')}</dl>
${[...examples.map(example => exampleOf(name, example)), ...bodies].join('\n')}</section>`
}

/** A request as it goes over the wire, without the headers that every request has, and the status of its answer. */
function exampleOf(name: string, { title, request, response }: Example): string {
  const { params = {}, query, headers = {} } = request
  const path = name.replace(/\{(\w+)\}/g, (_, key: string) => params[key] ?? '')
  const search = query ? `?${new URLSearchParams(query)}`.replace(/=$/, '') : ''
  const head = Object.entries(headers).map(([key, value]) => `${key}: ${value}`)
  const body = response.body === undefined ? [] : [JSON.stringify(response.body)]
  return shown(title, [path + search, ...head], [`${response.status}`, ...body])
}

function bodyExampleOf(
  name: string,
  type: string,
  { summary, value, 'x-status': status }: BodyExample,
): string {
  return shown(summary, [name, `content-type: ${type}`, '', JSON.stringify(value, null, 2)], [`${status}`])
}

function shown(title: string, request: readonly string[], answer: readonly string[]): string {
  return `<h3>Example: ${escapeHtml(title)}</h3>
<pre>${escapeHtml(request.join('\n'))}</pre><p>is answered</p><pre>${escapeHtml(answer.join('\n'))}</pre>`
}

function anchorOf(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]+/g, '-')
}

function escapeHtml(text = ''): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return text.replace(/[&<>"]/g, char => entities[char] as string)
}
