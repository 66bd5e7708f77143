package mesa

// english translates the sentences of errors; a test keeps it complete.
var english = map[string]string{}
