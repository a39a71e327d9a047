/**
 * Classes of traffic, from the first that is turned away when a server has too much to do to the last: free variants of
 * models, tries in a playground and simulated models, ordinary use of the API.
 */
export const TRAFFIC_CLASSES = ['free', 'playground', 'api'] as const

export type TrafficClass = (typeof TRAFFIC_CLASSES)[number]
