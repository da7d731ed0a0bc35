"""What a person can run: one module per verb, each with a function of the verb's name."""
