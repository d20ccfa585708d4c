// SPDX-License-Identifier: Apache-2.0

// Package vitals holds the values that every other room speaks in: what is to
// be measured (Target, Settings) and what was measured (Ping, Path, Scan,
// Record), with the arithmetic of RTTs and loss.
//
// It does no I/O and knows no format: configuration files are read in config,
// records are written in report. The words are those of RFC 2330 (singleton,
// sample, statistic), RFC 2681 (round-trip delay) and RFC 2680 (loss).
package vitals
