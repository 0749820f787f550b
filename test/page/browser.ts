import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Browser, chromium, type Page } from 'playwright-core'
import { type Service, startService } from '../support/service.js'

export type { Page } from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']
const ARGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--no-first-run',
]

/** Finds a browser. Throws with what to do if there is no browser. */
export function findChromium(): string {
  const { CHROMIUM_PATH, PATH = '' } = process.env
  const own = chromium.executablePath()
  const found = CHROMIUM_PATH
    ? [CHROMIUM_PATH]
    : [...PATH.split(delimiter).flatMap(folder => NAMES.map(name => join(folder, name))), own]
  const path = found.find(file => file !== '' && existsSync(file))
  if (path !== undefined) return path
  throw new Error(
    CHROMIUM_PATH
      ? `CHROMIUM_PATH is ${CHROMIUM_PATH}, where there is nothing`
      : 'the page is tested in a real Chromium, and there is none: `apt-get install chromium`, or ' +
          '`npx playwright-core install --with-deps chromium`, or let CHROMIUM_PATH name one (.ci/browser does it)',
  )
}

/** Starts it once and gives where it is; throws with what it says where it does not start, for a library that lacks. */
export async function tryChromium(): Promise<string> {
  const path = findChromium()
  try {
    const browser = await chromium.launch({ executablePath: path, args: ARGS })
    await (await browser.newPage()).goto('about:blank')
    await browser.close()
    return path
  } catch (error) {
    throw new Error(
      `${path} is there and does not start: its libraries may be missing (\`apt-get install chromium\`, or ` +
        `\`npx playwright-core install-deps chromium\`, brings them)\n${(error as Error).message}`,
    )
  }
}

/** `PAGE_SLOWDOWN=6` runs the pages on a CPU that is six times slower. Tests that read too early fail there. */
const SLOWDOWN = Number(process.env.PAGE_SLOWDOWN ?? 1)

let running: Promise<Browser> | undefined

/** One for all tests of a file, which has to close it. */
export async function openBrowser(): Promise<Browser> {
  running ??= chromium.launch({ executablePath: findChromium(), args: ARGS })
  return running
}

export async function closeBrowser(): Promise<void> {
  await (await running)?.close()
}

/** The service as its development configuration has it. */
export const startDev = (t: TestContext, conf: Record<string, unknown> = {}): Promise<Service> =>
  startService(t, { interface: '127.0.0.1', dev_ui: true, validate_endpoint: true, ...conf })

export interface Look {
  width?: number
  height?: number
  colorScheme?: 'light' | 'dark'
  path?: string
  /** What the page may complain of on its console. */
  mayComplain?: RegExp
}

/** The page, live. A complaint on its console, such as one of its content-security-policy, fails the test. */
export async function openPage(
  t: TestContext,
  { url }: Pick<Service, 'url'>,
  { width = 1440, height = 900, colorScheme = 'light', path = '/', mayComplain }: Look = {},
): Promise<Page> {
  const browser = await openBrowser()
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme,
    permissions: ['clipboard-read', 'clipboard-write'],
  })
  const page = await context.newPage()
  if (SLOWDOWN > 1) {
    const session = await context.newCDPSession(page)
    await session.send('Emulation.setCPUThrottlingRate', { rate: SLOWDOWN })
  }
  const complaints: string[] = []
  page.on('pageerror', error => complaints.push(String(error.stack)))
  page.on('console', message => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  t.after(async () => {
    await context.close()
    // The service may have been ended before.
    assert.deepEqual(
      complaints.filter(text => !mayComplain?.test(text) && !text.includes('net::ERR_')),
      [],
    )
  })
  page.setDefaultTimeout(30_000)
  await page.goto(url + path)
  await isLive(page)
  return page
}

export async function isLive(page: Page): Promise<void> {
  await page.locator('#live.is-live').waitFor()
}
