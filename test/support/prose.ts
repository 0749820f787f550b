/** Finds what breaks the rules of prose: words that have plainer ones, and sentences that are too long. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { paragraphsOf } from './prose-text.js'
import { ROOT } from './service.js'

export interface Finding {
  line: number
  what: string
}

/** Words that a sentence may have. */
export const WORDS = 25

/** What not to write, and what to write in its place. */
const FORBIDDEN: readonly (readonly [RegExp, string])[] = [
  [/\bin\s+vain\b/gi, 'say what failed'],
  [/\bis\s+none\b/gi, 'say what it is not'],
  [/\bmend(s|ed|ing|ers?)?\b/gi, 'fix, repair'],
  [/\bshall\b/gi, 'must, should'],
  [/\b(has|have|had)\s+got\b/gi, 'has'],
  [/\bof\s+ours\b/gi, 'our'],
  [/\bbut\s+for\b/gi, 'except'],
  [/\bwhoever\b/gi, 'name the actor'],
  [/\bsuch\s+a\s+one\b(?!-)/gi, 'name it'],
]

/** "Not for one but for the other" has no plainer word. */
const CONTRAST = /\b(not|only|neither|never)\b[^.!?]*\bfor\b[^.!?]*$/i

/** What breaks the rules in a file, by line. Undefined if the linter does not read files of its name. */
export function findingsIn(file: string, text: string): Finding[] | undefined {
  const paragraphs = paragraphsOf(file, text)
  if (!paragraphs) return undefined
  const found: { at: number; what: string }[] = []
  for (const { start, text: prose, kind } of paragraphs) {
    for (const [words, instead] of FORBIDDEN) {
      for (const { 0: match, index } of prose.matchAll(words)) {
        const spelt = match.replace(/\s+/g, ' ')
        if (/^but for$/i.test(spelt) && CONTRAST.test(prose.slice(0, index))) continue
        found.push({ at: start + index, what: `"${spelt}" (write: ${instead})` })
      }
    }
    if (kind === 'line') continue
    for (const { at, words, plain } of sentencesOf(prose)) {
      // Queries and commands in literals look like long sentences.
      if (words > WORDS && (kind === 'text' || plain > 0.7 * words))
        found.push({ at: start + at, what: `a sentence of ${words} words (at most ${WORDS})` })
    }
  }
  found.sort((a, b) => a.at - b.at)
  return found.map(({ at, what }) => ({ line: text.slice(0, at).split('\n').length, what }))
}

/** Where each sentence begins, its words, and how many of them are plain ones. */
function sentencesOf(prose: string): { at: number; words: number; plain: number }[] {
  const found: { at: number; words: number; plain: number }[] = []
  let at = 0
  for (const end of [...ends(prose), prose.length]) {
    const sentence = prose.slice(at, end)
    const words = sentence.split(/\s+/).filter(word => /[\p{L}\p{N}\u{E000}]/u.test(word))
    const plain = words.filter(word => /^[("'‘*_]*[\p{L}\p{N}\u{E000}'’-]+[)"'’*_,;:.!?]*$/u.test(word))
    found.push({ at: at + sentence.search(/\S|$/), words: words.length, plain: plain.length })
    at = end
  }
  return found
}

/** Where sentences end: a mark, and behind it a blank and what can begin a sentence. */
function ends(prose: string): number[] {
  return [...prose.matchAll(/[.!?…][)\]"'”’*_]*\s+(?=[("'“‘*_[]*[\p{Lu}\p{N}\u{E000}])/gu)]
    .filter(({ index }) => !/\b(e\.g|i\.e|etc|vs|cf)$/i.test(prose.slice(0, index)))
    .map(({ 0: match, index }) => index + match.length)
}

/** Data of tests, what others wrote, and what is built or installed. */
const LEFT_OUT = /^(test\/(corpus|fixtures)\/|LICENSE|(node_modules|dist|\.build|\.git)\/)/

/** The files that the linter reads, by their paths in the repository. */
export function proseFiles(): string[] {
  const files = readdirSync(ROOT)
    .filter(name => !LEFT_OUT.test(`${name}/`))
    .flatMap(name =>
      statSync(join(ROOT, name)).isDirectory()
        ? readdirSync(join(ROOT, name), { recursive: true, encoding: 'utf8' }).map(file => join(name, file))
        : [name],
    )
  return files.filter(
    file =>
      !LEFT_OUT.test(file) && paragraphsOf(file, '') !== undefined && statSync(join(ROOT, file)).isFile(),
  )
}
