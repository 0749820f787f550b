/** Prints what breaks the rules of prose in the files and folders that are named, or in all. */
import { readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { findingsIn, proseFiles } from '../support/prose.js'
import { ROOT } from '../support/service.js'

const named = process.argv.slice(2).map(name => relative(ROOT, resolve(name)))
let count = 0
for (const file of proseFiles()) {
  if (named.length > 0 && !named.some(name => name === '' || file === name || file.startsWith(`${name}/`)))
    continue
  for (const { line, what } of findingsIn(file, readFileSync(join(ROOT, file), 'utf8')) ?? []) {
    console.log(`${file}:${line}: ${what}`)
    count++
  }
}
console.log(count === 0 ? 'The prose is clean.' : `${count} findings`)
process.exitCode = count === 0 ? 0 : 1
