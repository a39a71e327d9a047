/** What callers want kept, from turn to turn or to be given again: sealed, of one tenant, and gone when its time is over. */
export { createAnswers, type Answers, type AnswersSettings } from './answers.ts'
export { createResponses, type Kept, type Responses, type ResponsesSettings } from './responses.ts'
export type { Compactions } from './compactions.ts'
export type { Conversation, Conversations, Turn } from './conversations.ts'
export type { EndWords, Run, Runs } from './runs.ts'
export { contextOf, expanded, inputItems, resolved, type Item } from './turns.ts'
export { openVault, type Vault } from './vault.ts'
