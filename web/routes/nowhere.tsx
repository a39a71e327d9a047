import { nowhere } from '../data/nowhere.ts'

export function loader(): never {
  throw nowhere()
}

export default function Nowhere() {
  return null
}
