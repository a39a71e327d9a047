/** Who may call: API keys, how they are made, kept, recognised and taken away, and what each of them is set to. */
export { createAccounts, type Accounts, type KeyChange, type KeyRecord, type NewKey } from './accounts.ts'
export { isKeyShaped, KEY_PATTERN } from './key.ts'
export { openPeppers, removePepper, type Peppers } from './peppers.ts'
export { keySettings, type KeySettings, type KeySettingsChange } from './settings.ts'
