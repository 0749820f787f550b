import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './service.js'

/**
 * Whether a file has a test of this name, and not only the words, because a page's promise needs a test that runs.
 * What a template adds at its end may be left out.
 */
export function hasTest(file: string, name: string): boolean {
  const path = join(ROOT, 'test', file)
  if (!existsSync(path)) return false
  const words = name.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  const spelling = `'${words}'|"${words}"|\`${words}(\`|\\$\\{)`
  return new RegExp(`^ *(await )?(t\\.)?test\\(\\s*(${spelling})`, 'm').test(readFileSync(path, 'utf8'))
}
