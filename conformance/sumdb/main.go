// Command sumdb verifies a log directory with the Go project's own transparency-log code: the checkpoint's
// signature, the tree over all entries, and every tile. It knows Mantlet's directory layout and nothing else of it.
//
// With Debian's golang-go and golang-golang-x-mod-dev:
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run conformance/sumdb/main.go LOG VKEY
//
// It exits with 0 if the log holds, and with 1 otherwise.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8 // c2sp.org/tlog-tiles: 256 hashes in a tile

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// path of a tile below the log: sumdb writes tile/8/0/… and tile/8/data/…, tlog-tiles tile/0/… and tile/entries/….
func path(dir string, tile tlog.Tile) string {
	name := strings.TrimPrefix(tile.Path(), "tile/8/")
	name = strings.Replace(name, "data/", "entries/", 1)
	return filepath.Join(dir, "tile", name)
}

// tiles that a tree of this size has at a level; level -1 holds the entries.
func tiles(level int, size int64) (list []tlog.Tile) {
	hashes := size
	if level > 0 {
		hashes >>= uint(height * level)
	}
	for n := int64(0); n<<height < hashes; n++ {
		width := hashes - n<<height
		if width > 1<<height {
			width = 1 << height
		}
		list = append(list, tlog.Tile{H: height, L: level, N: n, W: int(width)})
	}
	return list
}

// checkpoint opens the signed note and reads the size and root in it.
func checkpoint(dir, vkey string) tlog.Tree {
	verifier, err := note.NewVerifier(vkey)
	check(err)
	signed, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	check(err)
	opened, err := note.Open(signed, note.VerifierList(verifier))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 3 || lines[0] != verifier.Name() {
		check(fmt.Errorf("the checkpoint is of another log"))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := base64.StdEncoding.DecodeString(lines[2])
	check(err)
	tree := tlog.Tree{N: size}
	if copy(tree.Hash[:], root) != len(root) || len(root) != tlog.HashSize {
		check(fmt.Errorf("the checkpoint has no root"))
	}
	return tree
}

func main() {
	if len(os.Args) != 3 {
		check(fmt.Errorf("usage: sumdb LOG VKEY"))
	}
	dir, tree := os.Args[1], checkpoint(os.Args[1], os.Args[2])
	var stored []tlog.Hash // every hash of the tree, in sumdb's order
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var hashes []tlog.Hash
		for _, index := range indexes {
			hashes = append(hashes, stored[index])
		}
		return hashes, nil
	})
	entries := int64(0)
	for _, tile := range tiles(-1, tree.N) {
		bundle, err := os.ReadFile(path(dir, tile))
		check(err)
		for i := 0; i < tile.W; i++ {
			if len(bundle) < 2 || len(bundle)-2 < int(binary.BigEndian.Uint16(bundle)) {
				check(fmt.Errorf("entry %d is cut short", entries))
			}
			length := 2 + int(binary.BigEndian.Uint16(bundle))
			hashes, err := tlog.StoredHashes(entries, bundle[2:length], reader)
			check(err)
			stored, bundle, entries = append(stored, hashes...), bundle[length:], entries+1
		}
		if len(bundle) != 0 {
			check(fmt.Errorf("bytes after entry %d", entries-1))
		}
	}
	if tree.N > 0 {
		root, err := tlog.TreeHash(tree.N, reader)
		check(err)
		if root != tree.Hash {
			check(fmt.Errorf("the entries do not give the signed root"))
		}
	}
	count := 0
	for level := 0; level < 8 && tree.N>>uint(height*level) > 0; level++ {
		for _, tile := range tiles(level, tree.N) {
			want, err := tlog.ReadTileData(tile, reader)
			check(err)
			have, err := os.ReadFile(path(dir, tile))
			check(err)
			if string(want) != string(have) {
				check(fmt.Errorf("%s does not agree with the entries", tile.Path()))
			}
			count++
		}
	}
	fmt.Printf("%d entries and %d tiles hold\n", entries, count)
}
