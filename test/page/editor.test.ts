import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { postBytes } from '../support/http.js'
import { testEvent } from '../support/service.js'
import { closeBrowser } from './browser.js'
import { becomes, button, isSaid, open, start, textOfEditor, WRONG } from './page.js'

after(closeBrowser)

test('a suggestion applied, and an edit sent again, pass', async t => {
  const { service, page } = await start(t)
  await service.post(testEvent({ test: 42, meta: { stream: 'eventgate.test.event', domain: '' } }))
  await open(page, 'refused')
  await page.locator('.complaint').nth(1).getByRole('button', { name: 'Apply in the editor' }).click()
  await page.getByText('Would be refused').first().waitFor()
  assert.equal(JSON.parse(await textOfEditor(page)).test, '42')
  await becomes(() => page.locator('#editor-gutter .bad').innerText(), '✗ 5')
  await button(page, 'Apply').click()
  await page.getByRole('heading', { name: 'Would be accepted' }).waitFor()
  await button(page, 'Send').click()
  await isSaid(page, 'Sent: accepted')
  assert.equal(service.produced().length, 1)
  assert.equal(service.produced()[0]?.test, '42')
  await button(page, 'Show it').click()
  await page.locator('#detail .badge.accepted').waitFor()
  await becomes(() => page.locator('#detail .produced').innerText(), /topic\s+eventgate\.test\.event/)
  await becomes(() => page.locator('#detail .added').first().innerText(), /filled in|set by EventGate/)

  await open(page, 'refused')
  await button(page, 'Fix all 2 in the editor').click()
  await page.getByRole('heading', { name: 'Would be accepted' }).waitFor()
  await page.goBack()
  await button(page, 'Edit and send again').click()
  const edited = (await textOfEditor(page))
    .replace('42', '"by hand"')
    .replace('"domain": ""', '"domain": "d"')
  await page.locator('#editor-text').fill(edited)
  await page.keyboard.press('Control+Enter')
  await becomes(() => service.produced().at(-1)?.test, 'by hand')
})

test('an edit leaves numbers as they are written', async t => {
  const { service, page } = await start(t)
  await postBytes(service, '{"$schema":"/test/event/1.0.0","test":1,"size":1.50e3,"meta":{"stream":"s"}}')
  await open(page, 'refused')
  await becomes(() => page.locator('#detail .lines').innerText(), /1\.50e3/)
  await button(page, 'Apply in the editor').first().click()
  await becomes(() => textOfEditor(page), /"size": 1\.50e3/)
})

test('the composer makes an event of a schema, and tells while one types what would become of it', async t => {
  const { service, page } = await start(t, { path: '/?view=compose' })
  await page.fill('#editor-schema', '/test/event/1.0.0')
  await button(page, 'Make an event').click()
  await page.getByRole('heading', { name: 'Would be accepted' }).waitFor()
  const made = JSON.parse(await textOfEditor(page))
  assert.equal(made.$schema, '/test/event/1.0.0')
  await becomes(() => page.locator('#editor-verdict').innerText(), /topic \S+/)

  const area = page.locator('#editor-text')
  await area.fill('{"$schema": "/test/event/1.0.0",\n "meta": {"stream": "s"},\n "test": ')
  await page.getByRole('heading', { name: 'Not JSON yet' }).waitFor()
  await area.press('Control+End')
  await area.pressSequentially('42}')
  await page.getByRole('heading', { name: 'Would be refused' }).waitFor()
  await becomes(() => page.locator('#editor-gutter .bad').innerText(), '✗ 3')
  await page.locator('#editor-verdict .complaint', { hasText: 'test must be text' }).waitFor()
  await area.press('Control+End')
  for (let i = 0; i < 3; i++) await area.press('Backspace')
  await area.pressSequentially('"42"}')
  await page.getByRole('heading', { name: 'Would be accepted' }).waitFor()
  await becomes(() => page.locator('#editor-gutter .bad').count(), 0)
  assert.deepEqual(service.produced(), [])

  // Several at once: each has its verdict, and a fix applies to the right one.
  await area.fill(JSON.stringify([testEvent(), WRONG], null, 1))
  await page.getByText('1 of 2 events would be accepted').waitFor()
  await button(page, 'Apply').click()
  await page.getByText('2 of 2 events would be accepted').waitFor()
  // As if typed: it can be undone.
  await area.press('Control+z')
  await page.getByText('1 of 2 events would be accepted').waitFor()
  // And it is there after a reload.
  const text = await textOfEditor(page)
  await page.reload()
  await becomes(() => textOfEditor(page), text)
})
