# A machine that nobody has made a node of.
true
