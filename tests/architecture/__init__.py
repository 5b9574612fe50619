"""The house's rules, held by tests: doors, sizes, pure cores, words."""
