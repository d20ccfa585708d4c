// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"strconv"
	"strings"
)

var errNotRedis = errors.New("no answer of Redis")

// maxInfo is the most bytes of what INFO server says; about 700 are usual.
const maxInfo = 16 << 10

// protocolRedis is RESP, the protocol of Redis and its kin, with an inline
// command.
func protocolRedis() protocol {
	return protocol{name: "redis", port: 6379, limit: 2 * maxInfo, talk: talkRedis, farewell: "QUIT\r\n"}
}

// talkRedis asks for the version. A server that wants a password first says so
// with an error, which is answer enough.
func talkRedis(c *conversation) error {
	if err := c.send("INFO server\r\n"); err != nil {
		return err
	}
	line, err := c.readLine()
	if err != nil {
		return err
	}
	first := string(line)
	if isRedisError(first) {
		c.got.Software = unknown
		return nil
	}
	digits, ok := strings.CutPrefix(first, "$")
	length, err := strconv.ParseUint(digits, 10, 16)
	if !ok || err != nil || length > maxInfo {
		return errNotRedis
	}
	info, err := c.readFull(int(length) + 2)
	if err != nil {
		return err
	}
	c.got.Software, err = parseInfo(string(info))
	return err
}

// isRedisError recognises "-NOAUTH Authentication required.": a word in
// capitals, and a text.
func isRedisError(line string) bool {
	word, _, _ := strings.Cut(line, " ")
	return len(word) > 1 && word[0] == '-' && strings.Trim(word[1:], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// parseInfo finds name and version in lines NAME:VALUE. Kin of Redis tell that
// version of it which they are compatible with, and their own.
func parseInfo(info string) (string, error) {
	values := make(map[string]string)
	for line := range strings.SplitSeq(info, "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			values[name] = value
		}
	}
	if own := values["server_name"]; own != "" && values[own+"_version"] != "" {
		return softwareOf(own + " " + values[own+"_version"]), nil
	}
	if version := values["redis_version"]; version != "" {
		return softwareOf("redis " + version), nil
	}
	return "", errNotRedis
}
