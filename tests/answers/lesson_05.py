"""Typical wrong answers to the exercises of lesson 05, and words of what the check says to each."""

WRONG = {
    "own-thread": [
        (
            """
def begin(talk, sock):
    thread = threading.Thread(target=talk(sock), daemon=True)
    thread.start()
    return thread
""",
            "What do the parentheses in talk(sock) do",
        ),
        (
            """
def begin(talk, sock):
    thread = threading.Thread(target=talk, args=(sock), daemon=True)
    thread.start()
    return thread
""",
            "is args a tuple with one element?",
        ),
        (
            """
def begin(talk, sock):
    thread = threading.Thread(target=talk, args=(sock,))
    thread.start()
    return thread
""",
            "Does this thread keep the program alive?",
        ),
        (
            """
def begin(talk, sock):
    thread = threading.Thread(target=talk, args=(sock,), daemon=True)
    thread.start()
    thread.join()
    return thread
""",
            "Or does begin() wait for its thread?",
        ),
    ],
    "attend": [
        (
            """
def attend(listener, talk, stop):
    threads = []
    while not stop.is_set():
        try:
            sock, _ = listener.accept()
        except TimeoutError:
            continue
        talk(sock)
    return threads
""",
            "Who waits for the first client while the second one knocks?",
        ),
        (
            """
def attend(listener, talk, stop):
    threads = []
    while not stop.is_set():
        try:
            sock, _ = listener.accept()
        except TimeoutError:
            continue
        thread = threading.Thread(target=talk, args=(sock,), daemon=True)
        thread.start()
        thread.join()
        threads.append(thread)
    return threads
""",
            "Who waits for the first client while the second one knocks?",
        ),
        (
            """
def attend(listener, talk, stop):
    threads = []
    while not stop.is_set():
        sock, _ = listener.accept()
        threads.append(threading.Thread(target=talk, args=(sock,), daemon=True))
        threads[-1].start()
    return threads
""",
            "What does your loop do after a TimeoutError",
        ),
        (
            """
def attend(listener, talk, stop):
    threads = []
    try:
        while not stop.is_set():
            sock, _ = listener.accept()
            threads.append(threading.Thread(target=talk, args=(sock,), daemon=True))
            threads[-1].start()
    except TimeoutError:
        pass
    return threads
""",
            "Is a thread started for each",
        ),
        (
            """
def attend(listener, talk, stop):
    threads = []
    while True:
        try:
            sock, _ = listener.accept()
            threads.append(threading.Thread(target=talk, args=(sock,), daemon=True))
            threads[-1].start()
        except TimeoutError:
            pass
    return threads
""",
            "and what ends it?",
        ),
        (
            """
def attend(listener, talk, stop):
    threads = []
    while not stop.is_set():
        try:
            sock, _ = listener.accept()
        except TimeoutError:
            continue
        threads.append(threading.Thread(target=lambda: talk(sock), daemon=True))
        threads[-1].start()
    return threads
""",
            "When does it look up which sock that is?",
        ),
        (
            """
def attend(listener, talk, stop):
    threads = []
    while not stop.is_set():
        try:
            sock, _ = listener.accept()
        except TimeoutError:
            continue
        threading.Thread(target=talk, args=(sock,), daemon=True).start()
    return threads
""",
            "Which threads does attend() return?",
        ),
    ],
    "welcome-all": [
        (
            """
def welcome_all(socks):
    threads = []
    for sock in socks:
        threads.append(threading.Thread(target=lambda: sock.sendall(b"welcome")))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
""",
            "when is that decided?",
        ),
        (
            """
def welcome_all(socks):
    for sock in socks:
        sock.sendall(b"welcome")
""",
            "If one client is slow, who else waits?",
        ),
        (
            """
def welcome_all(socks):
    for sock in socks:
        thread = threading.Thread(target=sock.sendall, args=(b"welcome",))
        thread.start()
        thread.join()
""",
            "If one client is slow, who else waits?",
        ),
        (
            """
def welcome_all(socks):
    for sock in socks:
        threading.Thread(target=sock.sendall, args=(b"welcome",)).start()
""",
            "Is all of it done at the end?",
        ),
        (
            """
def welcome_all(socks):
    threads = []
    for sock in socks:
        threads.append(threading.Thread(target=lambda: sock.sendall(b"welcome")))
        threads[-1].start()
    for thread in threads:
        thread.join()
""",
            "when is that decided?",
        ),
        (
            """
def welcome_all(socks):
    threads = []
    for sock in socks:
        threads.append(threading.Thread(target=sock.sendall, args=(b"welcome")))
        threads[-1].start()
    for thread in threads:
        thread.join()
""",
            "What was the function given that the threads ran",
        ),
    ],
}
