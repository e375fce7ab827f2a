package main

// The root certificates of Mozilla, for where the machine has none: the image
// holds nothing but this binary. A machine's own roots go first.
import _ "golang.org/x/crypto/x509roots/fallback"
