// SPDX-License-Identifier: Apache-2.0

// Package container holds packaging/Containerfile to its word. It has no code
// but tests, which need no container engine: they put together the root file
// system that the file describes, go into it as its user, in a network of their
// own, and run its entry point with what engines give to a container.
package container
