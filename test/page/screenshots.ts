/** Writes the pictures of the page that the documents show. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT, send, spawnService, testEvent } from '../support/service.js'
import { closeBrowser, isLive, openBrowser } from './browser.js'

const PICTURES = [
  { name: 'page-light', width: 1440, height: 900, colorScheme: 'light' },
  { name: 'page-dark', width: 1440, height: 900, colorScheme: 'dark' },
  { name: 'page-narrow', width: 360, height: 780, colorScheme: 'light' },
] as const

const EVENTS = [
  testEvent({ test: 'hello' }),
  testEvent({ test: 'a click', meta: { stream: 'shop.click', domain: 'shop.example' } }),
  { $schema: '/test/evnt/1.0.0', meta: { stream: 'shop.click' } },
  testEvent({ test: 'a view', meta: { stream: 'shop.view', uri: '/basket' } }),
  { $schema: '/test/event/1.0.0', test: 'of which stream?' },
  testEvent({ test: 'another click', meta: { stream: 'shop.click' } }),
  testEvent({ test: 42, meta: { stream: 'shop.view', domain: 'shop.example' }, test_map: { basket: 3 } }),
]

const folder = mkdtempSync(join(tmpdir(), 'eventgate-pictures-'))
const ends: (() => void)[] = [() => rmSync(folder, { recursive: true, force: true })]
const conf = {
  port: 0,
  interface: '127.0.0.1',
  dev_ui: true,
  validate_endpoint: true,
  output_path: '/dev/null',
}
try {
  const services = [{ name: 'eventgate', conf }]
  const { url } = await spawnService({ after: end => void ends.push(end) }, folder, {
    logging: { level: 'info' },
    services,
  })
  const headers = { 'content-type': 'application/json' }
  for (const event of EVENTS)
    await send(`${url}/v1/events`, { method: 'POST', headers, body: JSON.stringify(event) })
  const browser = await openBrowser()
  for (const { name, width, height, colorScheme } of PICTURES) {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme })
    await page.goto(`${url}/?entry=${EVENTS.length}`)
    await isLive(page)
    await page.locator('#detail .complaint').first().waitFor()
    await page.locator('.row[aria-selected=true]').waitFor({ state: 'attached' })
    await page.screenshot({ path: join(ROOT, `docs/images/${name}.png`) })
    await page.close()
  }
} finally {
  await closeBrowser()
  for (const end of ends.reverse()) end()
}
