//! Talks to people: arguments, output, exit status. The only layer that prints.
