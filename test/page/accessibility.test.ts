import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, test } from 'node:test'
import { testEvent } from '../support/service.js'
import { closeBrowser, type Look, type Page } from './browser.js'
import { becomes, button, open, rows, start } from './page.js'

after(closeBrowser)

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

async function assertAccessible(page: Page, what: string): Promise<void> {
  await page.evaluate(AXE)
  const violations =
    await page.evaluate(`axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
    violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.slice(0, 5).map(({ html, failureSummary }) => html.slice(0, 200) + ' ' + failureSummary) })))`)
  assert.deepEqual(violations, [], what)
}

const LOOKS: Record<string, Look> = {
  light: {},
  dark: { colorScheme: 'dark' },
  narrow: { width: 360, height: 780 },
  'narrow and dark': { width: 360, height: 780, colorScheme: 'dark' },
}

for (const [name, look] of Object.entries(LOOKS)) {
  test(`axe finds nothing: ${name}`, async t => {
    const { service, page } = await start(t, look)
    await assertAccessible(page, 'nothing yet')
    await service.post([
      testEvent(),
      testEvent({ test: 42, test_map: { a: 1 }, meta: { stream: 's', domain: '' } }),
    ])
    await rows(page, 'refused').waitFor()
    await page.locator('#total-refused', { hasText: '1' }).waitFor()
    await assertAccessible(page, 'lists and overview')
    for (const outcome of ['refused', 'accepted']) {
      await open(page, outcome)
      await button(page, 'Pin').click()
      await page.locator('#pins').waitFor({ state: 'attached' })
      await assertAccessible(page, outcome)
      await button(page, 'Close this event').click()
    }
    await open(page, 'refused')
    await button(page, 'Edit and send again').click()
    await page.locator('#editor-verdict.bad[aria-busy=false]').waitFor()
    await assertAccessible(page, 'composer, refused')
    await button(page, 'Fix all 3').click()
    await page.locator('#editor-verdict.good[aria-busy=false]').waitFor()
    await assertAccessible(page, 'composer, accepted')
    await page.getByRole('link', { name: 'Schemas' }).click()
    await page.locator('#schema-list li').nth(2).waitFor()
    await assertAccessible(page, 'schemas')
    await page.getByRole('link', { name: /^\/test\/event/ }).click()
    await button(page, 'Send this example').waitFor()
    await assertAccessible(page, 'a schema')
    await button(page, 'Help: keys').click()
    await assertAccessible(page, 'help')
    const width: number = await page.evaluate('document.documentElement.scrollWidth')
    assert.equal(width, look.width ?? 1440, 'nothing is wider than the window')
  })
}

test('the colours can be chosen, and stay', async t => {
  const { page } = await start(t)
  const back = (): Promise<string> => page.evaluate('getComputedStyle(document.body).backgroundColor')
  const light = await back()
  await page.selectOption('#theme', 'dark')
  const dark = await back()
  assert.notEqual(dark, light)
  await page.reload()
  await becomes(() => back(), dark)
  await page.selectOption('#theme', '')
  await becomes(() => back(), light)
})
