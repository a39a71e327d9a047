/** The mark: a semaphore whose arm is up, which means that the line is clear. */
export function Mark({ size = 22 }: { readonly size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <rect x="6" y="2" width="2.4" height="20" rx="1" fill="var(--rail)" />
      <g transform="rotate(-24 7.2 7)">
        <rect x="7.2" y="4.5" width="14.5" height="5" rx="1" fill="var(--arm)" />
        <rect x="17" y="4.5" width="2" height="5" fill="var(--paper)" />
      </g>
      <circle cx="7.2" cy="7" r="2.2" fill="var(--ink)" />
    </svg>
  )
}
