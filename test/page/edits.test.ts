import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { repository } from '../support/http.js'
import { closeBrowser } from './browser.js'
import { becomes, button, rows, start, textOfEditor } from './page.js'

after(closeBrowser)

test('an edit of a schema that breaks events is told, with the event', async t => {
  const folder = repository(t, { '/my/thing/1.0.0': { properties: { v: { type: 'string' } } } })
  const { service, page } = await start(t, {}, { schema_base_uris: [folder], reload_schemas: true })
  await service.post({ $schema: '/my/thing/1.0.0', meta: { stream: 's' }, v: 'text' })
  await rows(page, 'accepted').waitFor()
  await becomes(() => page.locator('#edits').isVisible(), false)
  writeFileSync(join(folder, 'my/thing/1.0.0.yaml'), 'type: object\nproperties: {v: {type: integer}}\n')
  await page.locator('#edits', { hasText: 'refuses events that it accepted before' }).waitFor()
  await becomes(() => page.locator('#edit-list').innerText(), /\.v should be integer/)
  await button(page, 'Show the event').click()
  await page.getByRole('heading', { name: 'Would be refused' }).waitFor()
  assert.equal(typeof JSON.parse(await textOfEditor(page)).v, 'string')
})
