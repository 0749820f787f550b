import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, test } from 'node:test'
import { postBytes } from '../support/http.js'
import { testEvent } from '../support/service.js'
import { closeBrowser } from './browser.js'
import { becomes, button, clipboard, isSaid, open, start } from './page.js'

after(closeBrowser)

test('a refused event is explained at its path, with the rule of its schema and what would pass', async t => {
  const { service, page } = await start(t)
  await service.post(testEvent({ test: 42, meta: { stream: 'eventgate.test.event', domain: '' } }))
  await open(page, 'refused')
  const bad = page.locator('#detail .lines .bad')
  const pointers = () => bad.evaluateAll(lines => lines.map(line => line.dataset.pointer))
  await becomes(pointers, ['/meta/domain', '/test'])
  const cards = page.locator('#detail .complaint')
  await becomes(() => cards.count(), 2)
  const [domain = '', text = ''] = await cards.allInnerTexts()
  assert.match(domain, /At \/meta\/domain/)
  assert.match(domain, /"minLength": 1/)
  assert.match(domain, /The domain that the event is about\./)
  assert.match(text, /test must be text; it is the number 42/)
  assert.match(text, /"type": "string"/)
  assert.match(text, /What would pass here[\s\S]*set test to "42"/)
  await becomes(() => page.locator('#detail .summary').innerText(), /2 things .*\s+validation_failed/)

  await service.post({ $schema: '/test/evnt/1.0.0', meta: { stream: 'eventgate.test.event' } })
  await open(page, 'refused', 2)
  await page.locator('#detail .code', { hasText: 'schema_not_found' }).waitFor()
  await becomes(pointers, ['/$schema'])

  await postBytes(service, '{"a": 1,}')
  await open(page, 'refused', 3)
  await page.locator('#detail .code', { hasText: 'body_malformed' }).waitFor()
  await becomes(() => page.locator('#detail .event').innerText(), /\{"a": 1,\}/)
})

test('what is copied is the event, and a command that sends it', async t => {
  const { service, page } = await start(t)
  const event = testEvent({ test: `it's "$HOME" \`id\` \\ é 😀\n$(id)` })
  await service.post(event)
  await open(page, 'accepted')
  await button(page, 'Copy JSON').click()
  await isSaid(page, 'Copied the event')
  assert.deepEqual(JSON.parse(await clipboard(page)), event)
  await button(page, 'Copy as curl').click()
  await isSaid(page, 'Copied a curl command')
  const { stdout, stderr } = spawnSync('bash', ['-c', await clipboard(page)], { encoding: 'utf8' })
  assert.match(stdout, /^HTTP\/1\.1 201 All 1 out of 1 events were accepted/, stderr)
  assert.equal(service.produced().length, 2)
  assert.equal(service.produced()[1]?.test, event.test)
})

test('what an event says is text, and never a part of the page', async t => {
  const { service, page } = await start(t)
  const evil = '<img src=x onerror="document.title=1"><script>document.title=1</script>'
  await service.post({
    ...testEvent({ test: 42, [evil]: evil, ['__proto__']: evil }),
    meta: { stream: evil, domain: evil },
  })
  await postBytes(service, `{"${evil.replaceAll('"', '\\"')}`)
  await service.post(testEvent({ $schema: evil }))
  for (const seq of [1, 2, 3]) {
    await open(page, 'refused', seq)
    await page.locator('#detail', { hasText: '<img src=x' }).waitFor()
    await button(page, 'Edit and send again').click()
    await page.locator('#editor-verdict[aria-busy=false].bad').waitFor()
    await page.goBack()
    await page.locator('#detail .code').waitFor()
  }
  await becomes(() => page.locator('main img, main script').count(), 0)
  await becomes(() => page.title(), 'EventGate · events')
})
