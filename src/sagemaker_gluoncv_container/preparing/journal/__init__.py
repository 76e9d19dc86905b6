"""What is known of every picture, on disk: memory stays flat, and an interrupted preparation can continue.

All the SQL of `prepare` is in this package: `store` opens the file, `rows` says what comes out, and the rest are the
questions that the steps of a preparation ask.
"""
