import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findChromium } from './browser.js'

test('where there is no browser it is said what to install', t => {
  const { CHROMIUM_PATH, PATH } = process.env
  t.after(() => {
    process.env.PATH = PATH
    if (CHROMIUM_PATH === undefined) delete process.env.CHROMIUM_PATH
    else process.env.CHROMIUM_PATH = CHROMIUM_PATH
  })
  process.env.CHROMIUM_PATH = '/nowhere/chromium'
  assert.throws(findChromium, /CHROMIUM_PATH is \/nowhere\/chromium, where there is nothing/)
  delete process.env.CHROMIUM_PATH
  process.env.PATH = '/nowhere'
  assert.throws(findChromium, /apt-get install chromium/)
})
