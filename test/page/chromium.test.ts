import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporary } from '../support/service.js'
import { findChromium, tryChromium } from './browser.js'

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

test('of a browser that is there and does not start it is said so, with what it says itself', async t => {
  const { CHROMIUM_PATH } = process.env
  t.after(() => {
    if (CHROMIUM_PATH === undefined) delete process.env.CHROMIUM_PATH
    else process.env.CHROMIUM_PATH = CHROMIUM_PATH
  })
  const path = join(temporary(t), 'chromium')
  writeFileSync(path, '#!/bin/sh\necho "libnss3.so: cannot open shared object file" >&2\nexit 127\n')
  chmodSync(path, 0o755)
  process.env.CHROMIUM_PATH = path
  await assert.rejects(tryChromium, /chromium is there and does not start: [\s\S]*libnss3\.so: cannot open/)
})
