import type { Gap } from './gaps.ts'

export interface Cell {
  readonly surface: string
  readonly outbound: string
  readonly scenario: string
  readonly mode: 'whole' | 'streamed'
  readonly passed: boolean
}

/** The matrix as Markdown: for each pair how many of its cells pass, the shares of each side and of all, and every gap with its reason. */
export function tableOf(cells: readonly Cell[], gaps: readonly Gap[]): string {
  const surfaces = [...new Set(cells.map((cell) => cell.surface))]
  const outbounds = [...new Set(cells.map((cell) => cell.outbound))]
  const scenarios = [...new Set(cells.map((cell) => cell.scenario))]
  const share = (of: readonly Cell[]): string => `${of.filter((cell) => cell.passed).length}/${of.length}`
  const percentOf = (of: readonly Cell[]): number => (of.length === 0 ? 0 : Math.floor((of.filter((cell) => cell.passed).length / of.length) * 1000) / 10)
  const rows = surfaces.map((surface) => {
    const own = cells.filter((cell) => cell.surface === surface)
    return `| \`${surface}\` | ${outbounds.map((outbound) => share(own.filter((cell) => cell.outbound === outbound))).join(' | ')} | ${percentOf(own)} % |`
  })
  const passed = cells.filter((cell) => cell.passed).length
  const ofAll = outbounds.map((outbound) => `${percentOf(cells.filter((cell) => cell.outbound === outbound))} %`)
  const lost = gaps.map((gap) => `| ${shown(gap.surface)} | ${shown(gap.outbound)} | ${gap.scenario}${gap.mode ? `, ${gap.mode}` : ''} | \`${gap.of}\`: ${gap.lacks} |`)
  return [
    `${passed} of ${cells.length} cells pass (${percentOf(cells)} %): ${surfaces.length} surfaces, ${outbounds.length} formats of providers, ${scenarios.length} scenarios, whole and streamed.`,
    '',
    `| surface \\ provider | ${outbounds.map((name) => `\`${name}\``).join(' | ')} | all |`,
    `|---|${outbounds.map(() => '---').join('|')}|---|`,
    ...rows,
    `| all | ${ofAll.join(' | ')} | ${percentOf(cells)} % |`,
    '',
    `Scenarios: ${scenarios.join(', ')}.`,
    '',
    ...(lost.length > 0 ? ['| surface | provider | what is lost | whose format has no word for it |', '|---|---|---|---|', ...lost] : ['Nothing is lost.']),
    '',
  ].join('\n')
}

const shown = (name: string): string => (name === '*' ? 'every' : `\`${name}\``)
