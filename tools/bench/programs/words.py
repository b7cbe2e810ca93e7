"""What Python programs allocate: objects, dictionaries, strings and JSON."""

import hashlib
import json
import sys


class Item:
    def __init__(self, number, words):
        self.number = number
        self.words = words
        self.next = None


def next_random(state):
    return (state * 6364136223846793005 + 1442695040888963407) % 2**64


def main():
    count = max(100, int(40000 * float(sys.argv[1])))
    state = 7
    items = {}
    last = None
    for number in range(count):
        state = next_random(state)
        words = [f"w{(state >> shift) % 5000}" for shift in range(8, 40, 4)]
        item = Item(number, words)
        item.next = last
        last = item
        items[number] = item
        if number % 3 == 0:
            items.pop((state >> 20) % (number + 1), None)
    places = {}
    for number, item in items.items():
        for word in item.words:
            places.setdefault(word, []).append(number)
    text = json.dumps({word: places[word] for word in sorted(places)})
    back = json.loads(text)
    joined = " ".join(f"{word}:{len(found)}" for word, found in back.items())
    print(len(items), len(text))
    print(hashlib.sha256(joined.encode()).hexdigest())


main()
