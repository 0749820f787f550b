import { Router } from 'express'

/** An OpenAPI 3 document, as far as the page about it looks into it. */
export interface Spec {
  info: { title: string; version: string; description: string }
  paths: Record<
    string,
    Record<
      string,
      { summary?: string; description?: string; responses?: Record<string, { description: string }> }
    >
  >
  [other: string]: unknown
}

/** `/robots.txt`, `/?spec` and `/?doc`; `/` alone is nothing. */
export function rootRoutes(spec: Spec): Router {
  const router = Router()
  const page = pageOf(spec)
  router.get('/robots.txt', (_req, res) => void res.type('text/plain').send('User-agent: *\nDisallow: /\n'))
  router.get('/', (req, res, next) => {
    if ('spec' in req.query) res.json(spec)
    else if ('doc' in req.query) res.type('html').send(page)
    else next()
  })
  return router
}

function pageOf({ info, paths }: Spec): string {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const answers = Object.entries(operation.responses ?? {}).map(
        ([status, { description }]) => `<dt>${escapeHtml(status)}</dt><dd>${escapeHtml(description)}</dd>`,
      )
      return `<section><h2><code>${method.toUpperCase()} ${escapeHtml(path)}</code></h2>
<p>${escapeHtml(operation.summary ?? '')}</p><p>${escapeHtml(operation.description ?? '')}</p><dl>${answers.join('')}</dl></section>`
    }),
  )
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(info.title)}</title></head>
<body><main><h1>${escapeHtml(info.title)} ${escapeHtml(info.version)}</h1><p>${escapeHtml(info.description)}</p>
<p>The same as an OpenAPI document: <a href="/?spec">/?spec</a></p>
${operations.join('\n')}</main></body></html>
`
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return text.replace(/[&<>"]/g, char => entities[char] as string)
}
