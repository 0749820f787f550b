/** `npm run bench`: measures this checkout, or compares it with another. */
const compares = process.argv.some(arg => /^--(against|workers)\b/.test(arg))
await import(compares ? './compare.js' : './bench.js')
