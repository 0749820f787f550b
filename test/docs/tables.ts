import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../support/service.js'

/** Makes the lines of a table; undefined where this machine cannot make it. */
export type Tables = Readonly<Record<string, (() => string[]) | undefined>>

/** A page with its tables made anew: each stands between `<!-- generated: name -->` and `<!-- end -->`. */
export function withTables(page: string, tables: Tables): string {
  return readFileSync(join(ROOT, page), 'utf8').replace(
    /<!-- generated: (\w+) -->[\s\S]*?<!-- end -->/g,
    (old, name: string) => {
      const lines = tables[name]?.()
      return lines ? `<!-- generated: ${name} -->\n${lines.join('\n')}\n<!-- end -->` : old
    },
  )
}
