import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { testEvent } from '../support/service.js'
import { type Look, openPage, type Page, startDev } from './browser.js'

/** An event that its schema refuses. */
export const WRONG = testEvent({ test: 42 })

export async function start(t: TestContext, look: Look = {}, conf: Record<string, unknown> = {}) {
  const service = await startDev(t, conf)
  const page = await openPage(t, service, look)
  return { service, page }
}

export const rows = (page: Page, outcome: string) => page.locator(`.row.${outcome}`)

/** Opens the newest event, or that of a number, and waits until the page shows it. */
export async function open(page: Page, outcome: string, seq?: number): Promise<void> {
  const row = seq === undefined ? rows(page, outcome).first() : page.locator(`.row[id$="-${seq}"]`)
  await row.click()
  await page.locator(`#detail .badge.${outcome}`).waitFor()
  if (seq !== undefined) await page.locator('#detail .meta', { hasText: `#${seq} ` }).waitFor()
}

export const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name, exact: true })
export const clipboard = (page: Page): Promise<string> => page.evaluate('navigator.clipboard.readText()')
export const textOfEditor = (page: Page) => page.locator('#editor-text').inputValue()

/** Waits until the toast says this. It stays for 8 s: one text twice is seen once. */
export const isSaid = (page: Page, text: string | RegExp) =>
  page.locator('#toast.shown').filter({ hasText: text }).waitFor()

/** Waits until `read` gives what is expected: the page draws what it fetches in its own time. */
export async function becomes(read: () => unknown, expected: unknown): Promise<void> {
  const deadline = Date.now() + 30_000
  for (;;) {
    const value = await read()
    if (expected instanceof RegExp ? expected.test(String(value)) : isEqual(value, expected)) return
    if (Date.now() > deadline) assert.deepEqual(value, expected)
    await delay(50)
  }
}

function isEqual(value: unknown, expected: unknown): boolean {
  return JSON.stringify(value) === JSON.stringify(expected)
}
