// Package sdk holds the built browser SDK, weir.js, whose TypeScript source
// stands beside it. README.md says how pages use it.
package sdk

import "embed"

// The build is not committed. The pattern matches dist/.keep as well, so that
// the package compiles before the first build.
//
//go:embed all:dist
var dist embed.FS

// Script is weir.js, minified: UTF-8 JavaScript of at most a few KB, to be
// served as text/javascript. It is nil if the program was built without the
// SDK (`npm run build` in this folder was not run before); a server then has
// no script to offer and should answer 404. The slice is the caller's own.
func Script() []byte {
	script, err := dist.ReadFile("dist/weir.js")
	if err != nil {
		return nil // not built: the only error that an embedded file can have
	}
	return script
}
