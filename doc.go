// SPDX-License-Identifier: Apache-2.0

// Package connmonitor is the root of the module and holds no code: the
// programs are in cmd, their rooms in internal (docs/architecture.md shows how
// they fit). What stands beside this file are the tests that hold the whole
// project to its own rules: the floors of the house, the documents, the build.
package connmonitor
