/** What of a file is prose: a page's paragraphs, comments, and the texts that a program shows. */
import { createScanner, SyntaxKind } from 'typescript/unstable/ast'

/** A paragraph. Its text has the length that it has in the file: what is no prose in it is masked. */
export interface Paragraph {
  start: number
  text: string
  /** Text is a paragraph. A line, as of a table, may be long. A literal may be something else than prose. */
  kind: 'text' | 'line' | 'literal'
}

/** Stands for a character of code, of a name or of a quotation. A run of them is one word. */
const MASK = '\u{E000}'
const blank = (text: string) => text.replace(/[^\n]/g, ' ')
const mask = (text: string) => MASK.repeat(text.length)

/** The prose of a file, or undefined if nothing is known of files of its name. */
export function paragraphsOf(file: string, text: string): Paragraph[] | undefined {
  const name = file.slice(file.lastIndexOf('/') + 1)
  if (name === 'CHANGELOG.md') return ofMarkdown(latestEntry(text))
  if (name.endsWith('.md')) return ofMarkdown(text)
  if (/\.(ts|js)$/.test(name)) return ofScript(text, /(^|\/)test\//.test(file))
  if (name.endsWith('.css')) return ofBlocks(text, /\/\*[\s\S]*?\*\//g)
  if (name.endsWith('.html')) return ofHtml(text)
  if (name.endsWith('.tpl')) return ofTemplate(text)
  if (name === 'NOTES.txt') return ofMarkdown(text.replace(/\{\{[^}]*\}\}/g, mask))
  if (/\.ya?ml$/.test(name)) return [...ofTemplate(text), ...ofHashes(text), ...ofDescriptions(text)]
  if (/\.(sh|py)$/.test(name) || name === 'Dockerfile' || file.startsWith('.ci/')) return ofHashes(text)
  return undefined
}

/** A changelog's latest entry. */
function latestEntry(text: string): string {
  const [, past] = [...text.matchAll(/^## /gm)]
  return text.slice(0, past?.index)
}

/** Masks code, quotations, addresses and the syntax of links. */
function masked(text: string): string {
  return text
    .replace(/(`+)(?!`)[\s\S]*?[^`]\1(?!`)/g, mask)
    .replace(/<!--[\s\S]*?-->/g, blank)
    .replace(/\]\([^)\s]*\)|!?\[(?=[^\]]*\s{2,})/g, blank)
    .replace(/"[^"]{0,300}"|“[^”]{0,300}”/g, mask)
    .replace(/\bhttps?:\/\/[^\s)>]+/g, mask)
    .replace(/<\/?\w[^<>]*>/g, blank)
    .replace(/[\w$]{2,}(?:[._/:][\w$]+)+/g, mask)
}

function paragraph(start: number, text: string): Paragraph {
  return { start, text: masked(text), kind: 'text' }
}

function ofMarkdown(text: string): Paragraph[] {
  const found: Paragraph[] = []
  let fence: string | undefined
  let open: { start: number; text: string } | undefined
  let at = 0
  const close = () => {
    if (open) found.push(paragraph(open.start, open.text))
    open = undefined
  }
  for (const line of text.replace(/^---\n[\s\S]*?\n---\n/, blank).split('\n')) {
    const marker = /^\s*(`{3,}|~{3,})/.exec(line)?.[1]
    if (fence !== undefined ? marker?.startsWith(fence) : marker) {
      close()
      fence = fence === undefined ? marker : undefined
    } else if (fence === undefined) {
      if (/^\s*\|/.test(line)) {
        close()
        for (const cell of line.matchAll(/(?:`[^`]*`|\\\||[^|`])+/g))
          found.push({ ...paragraph(at + cell.index, cell[0]), kind: 'line' })
      } else if (/^#+ /.test(line)) {
        close()
        found.push({ ...paragraph(at, line), kind: 'line' })
      } else if (line.trim() === '' || /^\s*>|^ {4}\S/.test(line)) close()
      else {
        if (/^\s*([-*+]|\d+\.)\s/.test(line)) close()
        open ??= { start: at, text: '' }
        open.text += `${line.replace(/^\s*([-*+]|\d+\.)\s/, blank)}\n`
      }
    }
    at += line.length + 1
  }
  close()
  return found
}

/** The paragraphs of comments between marks, with the stars that open their lines masked. */
function ofBlocks(text: string, comment: RegExp): Paragraph[] {
  return [...text.matchAll(comment)].flatMap(match => ofComment(match.index, match[0]))
}

function ofComment(start: number, comment: string): Paragraph[] {
  const text = comment
    .replace(/^\{\{-?\s*\/\*|^\/\*+|^\/\/+/, blank)
    .replace(/\*\/(\s*-?\}\})?$/, blank)
    .replace(/^[ \t]*(\*|\/\/+|#+)/gm, blank)
    .replace(/(?<=@\w+\s+)\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}/g, mask)
    .replace(/(biome-ignore [^:\n]*:|@ts-[\w-]+|@param \S+|@\w+)/g, blank)
  return paragraphsOfText(start, text)
}

/** A text's paragraphs: an empty line and an item of a list begin one. */
function paragraphsOfText(start: number, text: string): Paragraph[] {
  const found: Paragraph[] = []
  for (const match of text.matchAll(/\S(?:[^\n]|\n(?!\s*\n|\s*(?:[-*+]|\d+\.)\s))*/g))
    found.push(paragraph(start + match.index, match[0]))
  return found
}

/** Comments that begin with #, on lines of their own or behind something else. */
function ofHashes(text: string): Paragraph[] {
  const found: Paragraph[] = []
  let at = 0
  let open: { start: number; text: string } | undefined
  for (const line of text.split('\n')) {
    const own = /^\s*#(?!!)/.test(line)
    const hash = own ? line.indexOf('#') : hashOf(line)
    if (hash >= 0) {
      if (own && open) open.text += `${line}\n`
      else {
        if (open) found.push(...ofComment(open.start, open.text))
        open = { start: at + hash, text: `${line.slice(hash)}\n` }
      }
    }
    if (!own && open) {
      found.push(...ofComment(open.start, open.text))
      open = undefined
    }
    at += line.length + 1
  }
  if (open) found.push(...ofComment(open.start, open.text))
  return found
}

/** Where a comment begins behind something else: a # in quotes or in a word begins none. */
function hashOf(line: string): number {
  const bare = line.replace(/'[^']*'|"(?:\\.|[^"\\])*"/g, mask)
  return /^#!/.test(line) ? -1 : bare.search(/(?<=\s)#(?=\s)/)
}

/** The values of YAML that people read. */
function ofDescriptions(text: string): Paragraph[] {
  const found: Paragraph[] = []
  const value =
    /^( *)(?:- )?(?:summary|description|message):[ \t]+(?:[|>][-+]?\n((?:\1 +[^\n]*\n|\s*\n)+)|([^\n]+))/gm
  for (const match of text.matchAll(value)) {
    const inner = (match[2] ?? match[3] ?? '').replace(/^(['"])(.*)\1\s*$/, (_, __, words) => ` ${words} `)
    const start = match.index + match[0].length - (match[2] ?? match[3] ?? '').length
    found.push(...paragraphsOfText(start, inner.replace(/\{\{[^}]*\}\}/g, mask)))
  }
  return found
}

/** Helm's templates: their comments, and the texts of what they refuse. */
function ofTemplate(text: string): Paragraph[] {
  const found = ofBlocks(text, /\{\{-?\s*\/\*[\s\S]*?\*\/\s*-?\}\}/g)
  for (const action of text.matchAll(/\{\{(?!-?\s*\/\*)[\s\S]*?\}\}/g))
    for (const literal of action[0].matchAll(/"((?:\\.|[^"\\])*)"/g))
      found.push(...ofShown(action.index + literal.index + 1, literal[1] ?? ''))
  return found
}

function ofHtml(text: string): Paragraph[] {
  const found: Paragraph[] = []
  for (const match of text.replace(/<(script|style)[\s\S]*?<\/\1>/g, blank).matchAll(/>([^<>]+)</g))
    found.push(...paragraphsOfText(match.index + 1, match[1] ?? ''))
  for (const match of text.matchAll(/(?<=\b(?:title|aria-label|placeholder|content)=")[^"]+/g))
    found.push(...ofShown(match.index, match[0]))
  return found
}

const THREE_WORDS =
  /(^|\s)['’(]?[\p{L}\u{E000}]+['’\p{L}-]*[,;:.)]?(\s+['’(]?[\p{L}\u{E000}]+['’\p{L}-]*[,;:.)]?){2}(\s|$)/u

/** A literal, or each line of one. It is shown to people if it has three words in a row. */
function ofShown(start: number, literal: string): Paragraph[] {
  return [...literal.matchAll(/[^\n]+/g)].flatMap(({ 0: line, index }) => ofShownLine(start + index, line))
}

function ofShownLine(start: number, text: string): Paragraph[] {
  const shown = masked(text.replace(/\\[nrt]/g, '  ').replace(/\\(.)/g, ' $1'))
  return THREE_WORDS.test(shown) ? [{ start, text: shown, kind: 'literal' }] : []
}

/** Tokens after which a slash divides. */
const OPERANDS = new Set([
  SyntaxKind.Identifier,
  SyntaxKind.CloseParenToken,
  SyntaxKind.CloseBracketToken,
  SyntaxKind.CloseBraceToken,
  SyntaxKind.NumericLiteral,
  SyntaxKind.StringLiteral,
  SyntaxKind.NoSubstitutionTemplateLiteral,
  SyntaxKind.TemplateTail,
  SyntaxKind.ThisKeyword,
])

interface Token {
  kind: SyntaxKind
  start: number
  end: number
}

/** The tokens of TypeScript or JavaScript, comments among them. */
function* tokensOf(text: string): Generator<Token> {
  const scanner = createScanner(false)
  scanner.setText(text)
  /** For each template that is open: how many braces are open in what it substitutes. */
  const templates: number[] = []
  let before = SyntaxKind.Unknown
  for (let kind = scanner.scan(); kind !== SyntaxKind.EndOfFile; kind = scanner.scan()) {
    const last = templates.length - 1
    if ((kind === SyntaxKind.SlashToken || kind === SyntaxKind.SlashEqualsToken) && !OPERANDS.has(before))
      kind = scanner.reScanSlashToken()
    else if (kind === SyntaxKind.OpenBraceToken && last >= 0) templates[last] = (templates[last] ?? 0) + 1
    else if (kind === SyntaxKind.CloseBraceToken && last >= 0) {
      if (templates[last] === 0) {
        kind = scanner.reScanTemplateToken(false)
        if (kind === SyntaxKind.TemplateTail) templates.pop()
      } else templates[last] = (templates[last] ?? 0) - 1
    }
    if (kind === SyntaxKind.TemplateHead) templates.push(0)
    if (kind === SyntaxKind.WhitespaceTrivia || kind === SyntaxKind.NewLineTrivia) continue
    yield { kind, start: scanner.getTokenStart(), end: scanner.getTokenEnd() }
    if (kind !== SyntaxKind.SingleLineCommentTrivia && kind !== SyntaxKind.MultiLineCommentTrivia)
      before = kind
  }
}

const isComment = ({ kind }: Token) =>
  kind === SyntaxKind.SingleLineCommentTrivia || kind === SyntaxKind.MultiLineCommentTrivia

/** The comments and literals of TypeScript or JavaScript. Of tests only the names: other literals hold data. */
function ofScript(text: string, isTest: boolean): Paragraph[] {
  const tokens = [...tokensOf(text)]
  const literals = ofLiterals(
    text,
    tokens.filter(token => !isComment(token)),
  )
  const isName = ({ start }: Paragraph) => /\btest\(\s*$/.test(text.slice(Math.max(0, start - 40), start))
  const shown = isTest ? literals.filter(isName).map(name => ({ ...name, kind: 'line' as const })) : literals
  return [...ofComments(text, tokens.filter(isComment)), ...shown]
}

/** Comments of one line that follow each other are one text. */
function ofComments(text: string, comments: Token[]): Paragraph[] {
  const joined: Token[] = []
  for (const comment of comments) {
    const last = joined.at(-1)
    const one = last?.kind === comment.kind && comment.kind === SyntaxKind.SingleLineCommentTrivia
    if (last && one && /^\n[ \t]*$/.test(text.slice(last.end, comment.start))) last.end = comment.end
    else joined.push({ ...comment })
  }
  return joined.flatMap(({ start, end }) => ofComment(start, text.slice(start, end)))
}

/** Literals that are joined by + are one text, and so is a template with what it substitutes masked. */
function ofLiterals(text: string, tokens: Token[]): Paragraph[] {
  const found: Paragraph[] = []
  const templates: Token[][] = []
  let sum: Token[] = []
  const show = (parts: Token[], between: (gap: string) => string) => {
    const start = parts[0]?.start ?? 0
    let shown = ''
    for (const { start: from, end } of parts)
      shown += between(text.slice(start + shown.length, from)) + bare(text.slice(from, end))
    found.push(...ofShown(start, shown))
  }
  tokens.forEach((token, i) => {
    const { kind } = token
    if (kind === SyntaxKind.StringLiteral || kind === SyntaxKind.NoSubstitutionTemplateLiteral) {
      sum.push(token)
      if (tokens[i + 1]?.kind === SyntaxKind.PlusToken && isText(tokens[i + 2])) return
      show(sum, gap => ' '.repeat(gap.length))
      sum = []
    } else if (kind === SyntaxKind.TemplateHead) templates.push([token])
    else if (kind === SyntaxKind.TemplateMiddle) templates.at(-1)?.push(token)
    else if (kind === SyntaxKind.TemplateTail) show([...(templates.pop() ?? []), token], mask)
  })
  return found
}

function isText(token: Token | undefined): boolean {
  return token?.kind === SyntaxKind.StringLiteral || token?.kind === SyntaxKind.NoSubstitutionTemplateLiteral
}

/** A literal without what marks its ends. */
function bare(literal: string): string {
  return literal.replace(/^['"`]|['"`]$/g, ' ').replace(/^\}|\$\{$/g, mask)
}
