import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { repository } from '../support/http.js'
import { closeBrowser } from './browser.js'
import { becomes, button, isSaid, start } from './page.js'

after(closeBrowser)

test('the schema browser shows every schema, finds one, and sends its example', async t => {
  const { service, page } = await start(t)
  await page.getByRole('link', { name: 'Schemas' }).click()
  await page.locator('#schema-list li').nth(2).waitFor()
  await becomes(() => page.locator('#schema-list li').count(), 3)
  await page.fill('#schema-search', 'trying things out')
  await becomes(() => page.locator('#schema-list li').count(), 1)
  await page.locator('#schema-list a').click()
  await page.getByRole('row', { name: /meta\.stream\s*required/ }).waitFor()
  await button(page, 'Send this example').click()
  await isSaid(page, 'Sent: accepted')
  assert.equal(service.produced()[0]?.test, 'some text')
  await page.reload()
  await page.getByRole('heading', { name: '/test/event/1.0.0' }).waitFor()
  await button(page, 'Compose an event').click()
  await page.getByRole('heading', { name: 'Would be accepted' }).waitFor()
})

test('a schema that nothing can be made of, or that is broken, is said to be so', async t => {
  const folder = repository(t, { '/none/1.0.0': { allOf: [{ not: {} }] } })
  const { page } = await start(
    t,
    { path: '/?view=schemas&uri=/gone/1.0.0', mayComplain: /Failed to load resource/ },
    { schema_base_uris: [folder] },
  )
  await page.locator('#schema-detail .warning', { hasText: '/gone/1.0.0' }).waitFor()
  await page.getByRole('link', { name: /^\/none/ }).click()
  await button(page, 'Compose an event').click()
  await isSaid(page, 'No event could be made')
})
