/** `npm run bench`: measures this checkout, or compares two services. */
const compares = process.argv.some(arg => /^--(against|workers|spool)\b/.test(arg))
await import(compares ? './compare.js' : './bench.js')
