/** What was paid, which is never round: dollars with four decimals, or as many as a small amount needs. */
export function roughly(dollars: string): string {
  const value = Number(dollars)
  return `$${value === 0 ? '0' : value >= 0.01 ? value.toFixed(4).replace(/0{1,2}$/, '') : value.toPrecision(2)}`
}
