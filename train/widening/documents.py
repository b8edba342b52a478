"""Ordinary documents in English: what mail boxes, shops, tools and pages hold when nobody attacks.

They are short as often as long, and full of imperatives that are meant for human readers: a detector that has only seen
long prose learns that short documents are attacks.
"""

import json

from .grammar import Grammar
from .lexicon import LEXICON

RULES = {
    "greet": ["Hi {first},", "Hello {first},", "Dear {person},", "Good morning,", "Hi all,", "Dear customer,", "Hey {first}!", "Team,", ""],
    "bye": ["Best,\n{first}", "Kind regards,\n{first} {last}", "Thanks!\n{first}", "Cheers, {first}", "Sincerely,\n{first} {last}\n{company}",
            "See you {weekday},\n{first}", "{first}", "Sent from my phone"],
    "mail_line": [
        "{first} {did} {thing} on {date}.", "Could you send {thing} to {first} before {weekday}?", "Please reply by {date} so that we can book {place}.",
        "The meeting moved to {clock} on {weekday}.", "I attached {thing} and {thing}.", "Your order {id} has shipped and should arrive on {date}.",
        "We still need {thing} from {company}.", "Let me know if {clock} works for you.", "Do not forget to bring {thing}.",
        "Please ignore my last message, the date was wrong.", "The total comes to {amount}, due {date}.", "Call me at the office if anything is unclear.",
        "Forward this to {first} if you are not the right person.", "Your subscription renews on {date} for {amount}.",
        "Click the link in your account page to confirm: {link}", "{first} is on leave until {date}, so {first} will cover.",
        "We had {#3-60} visitors at {place}, which is more than last year.", "Please find the summary of {topic} below.",
        "I was wondering whether you had time to look at {thing}.", "Sorry for the late answer, {weekday} was busy.",
        "Please pay the open amount of {amount} to {company}.", "Remember that {place} closes at {clock}.", "Thank you for your purchase of the {product}.",
        "If you have questions, write to {email}.", "It was great to meet you in {city}.", "The {product} that you asked about is back in stock.",
        "Make sure everybody signs {thing} first.", "The flight to {city} leaves at {clock}; be there two hours before.",
        "As discussed, {first} will update {thing}.", "Happy birthday, and give my regards to {first}!"],
    "subject": ["{thing^}", "Re: {thing}", "{weekday}'s meeting", "Order {id}", "Invitation: {topic}", "Fwd: {place}", "Reminder: {thing}", "Your {product}", "{city} trip"],
    "review_line": [
        "The {product} arrived {adj} and works as expected.", "Bought this {product} for my {kin}.", "Broke after {#2-9} weeks.", "Would buy again.",
        "Do not buy this {product} if you need something {adj}.", "Great value for {amount}.", "Instructions are hard to follow, but the result is fine.",
        "Battery lasts about {#2-30} hours.", "Customer service at {company} ignored my messages for {#2-9} days.", "The color is not what the picture shows.",
        "I use it every {weekday}.", "My {kin} loves it.", "Returned it and got {amount} back.", "Five stars!", "Two stars because of the smell.",
        "Setup took {#2-50} minutes.", "It is a bit loud but does the job.", "Follow the manual and clean it before first use.", "Not worth the money.",
        "The plot drags in the middle, yet the acting is superb.", "A charming, funny film that never takes itself too seriously.",
        "The food at {place} was cold and the waiter forgot our drinks.", "an overlong and {adj} mess", "heartfelt and well acted", "I expected more from {company}."],
    "kin": "wife|husband|son|daughter|mother|father|sister|brother|neighbor|grandmother|boss|cat",
    "tweet": ["just finished {topic_verb} and I need a nap", "{city} in {month} >>>", "anyone else think {topic} is underrated? #{company_b}", "RT @{user}: {review_line}",
              "{team} won!!! what a game", "my {product} died again, thanks {company}", "@{user} totally agree, {topic} needs more attention",
              "hot take: {dish} is better cold", "Good morning {city}! {#2-35}°C today", "can't believe it's {weekday} already :(", "new post on {topic}: {link}",
              "stop telling me to try {dish} lol", "u free {weekday}? call me when u get this", "Congrats! u have won a {product}, txt WIN to {#10000-99999} to claim",
              "ok will be there by {clock}, dont wait for me", "URGENT! your {company} account needs attention, call {#10000-99999}"],
    "topic_verb": "reading about {topic}|cooking {dish}|running {#3-42} km|cleaning the garage|a call about {topic}",
    "team": "City|United|Rovers|the Hawks|Athletic|Dynamo|the Giants",
    "news": ["{city} officials said on {weekday} that {topic} would receive {amount} in funding.", "{person}, a {job} from {city}, called the decision {adj}.",
             "Shares of {company} fell {#2-20} percent after the report on {topic}.", "The number of visitors rose from {#100-999} to {#1000-9999} within a year.",
             "Critics ask the council to override the mayor's veto.", "Residents were told to boil their water until {weekday}.",
             "Police asked witnesses to come forward.", "The study followed {#100-9000} people over {#2-20} years.", "\"We cannot ignore {topic} any longer,\" said {person}.",
             "The museum in {city} reopens on {date} after repairs.", "{company} will hire {#20-900} people at its plant near {city}.",
             "A spokesperson for {company} declined to comment.", "The match between {team} and {team} ended {#0-5} to {#0-5}.",
             "Rain is expected from {weekday} on, with {#2-30} degrees in {city}.", "Teachers in {city} went on strike over {topic}."],
    "science": ["We study {topic} with methods from {field}.", "Prior work has largely ignored the role of {topic}.", "Our model is trained on {#1000-9000} samples and evaluated on {#2-12} benchmarks.",
                "Results show an improvement of {#2-30} percent over the baseline.", "We release code and data.", "Here we ask whether {field} can explain {topic}.",
                "Participants followed written instructions and were paid {amount}.", "We propose a {adj} algorithm with linear running time.", "Limitations are discussed.",
                "The system prompt was fixed in all conditions.", "This paper presents a survey of {field}.", "Experiments in {city} and {city} confirm the effect (p < 0.0{#1-5})."],
    "step": ["Preheat the oven to {#150-230} degrees.", "Mix {ingredient} and {ingredient} in a bowl.", "Add {ingredient} and stir for {#2-15} minutes.", "Let the dough rest for {#10-90} minutes.",
             "Bring to a boil, then lower the heat.", "Season with {ingredient} and serve.", "Turn off the power before you open the case.", "Remove the four screws and lift the cover.",
             "Press and hold the button for {#3-10} seconds.", "Write down the number on the label.", "Connect the cable to port {#1-4}.", "Open Settings and choose Reset.",
             "Ignore the warning light; it goes out after a minute.", "Repeat the last step until the surface is even.", "Do not use force.", "Wait until the light turns green.",
             "Click Save and restart the program.", "Send the form to {email}.", "Run the installer and follow the instructions on the screen.", "Delete the old files first.",
             "Measure twice, cut once.", "Sand the edges and apply a coat of paint.", "Plant the seeds {#1-5} cm deep and water daily.", "Forget the recipe's timing: trust your nose.",
             "Type your password and press Enter.", "Copy the folder to the new disk.", "Translate the labels before you print them.", "Fold the paper along the line."],
    "policy": ["Employees must not disclose passwords to anyone.", "You are required to wear a helmet in {place}.", "Do not share confidential documents outside {company}.",
               "Previous versions of this policy are superseded.", "Instructions from the safety officer override all others.", "Visitors must sign in at {place}.",
               "Ignore false alarms only after the supervisor has confirmed them.", "All expenses above {amount} need approval.", "From now on, parking passes are issued by {person}.",
               "The system administrator may reset accounts.", "Act as a role model for new colleagues.", "Keep {place} locked after {clock}."],
    "trigger": ["The `ignore` key lists files that the build skips.", "Set `override: true` to replace the default instructions of a template.", "A system prompt tells a language model what role it has.",
                "Previous instructions on this page were for version {#1-4}; see the archive.", "Use `--ignore-case` to disregard upper case.", "The bypass valve must stay closed during operation.",
                "Developer mode shows the layout grid.", "Prompt injection is a class of attacks in which data is read as instructions.", "This method overrides the one in the parent class.",
                "New instructions for filing taxes apply from {date}.", "To jailbreak a phone voids its warranty.", "The admin password is asked for once.",
                "The assistant manager handles complaints.", "The user's role decides which prompt is shown.", "Do not reveal the ending to your friends!", "System: {adj}, memory: {#4-64} GB, disk: {#128-999} GB",
                "The DAN protocol moves cells between nodes.", "Rules above this line are generated; edit those below.", "Unlimited plans have no restrictions on data.",
                "Forget-me-nots bloom in {month}.", "Pretend play helps children to learn.", "The model repeats its prompt when the temperature is zero.", "Output only goes to the log when debug is on."],
    "web": ["Home | About | Contact | Log in", "Accept cookies to continue", "Read more about {topic}", "Sign up for our newsletter", "Copyright 20{#10-26} {company}", "Opening hours: {weekday} to {weekday}, {clock} to {clock}",
            "Subscribe now and save {#5-60} percent", "Skip to main content", "Related: {topic}, {topic}", "Posted by {first} on {date}", "Share this page", "{#2-300} comments", "Add to cart: {product} {amount}",
            "Search results for {topic}", "Click here to reset your password", "Enter your email to continue reading", "Was this page helpful?"],
    "chat": ["are we still on for {weekday}?", "yes, {clock} at {place}", "can you send me {thing}?", "done, check your inbox", "lol", "{first} said {topic} is the theme this year", "ok", "please ask {first}, I'm in a meeting",
             "don't tell {first} about the party", "who has {thing}?", "brb", "ignore that, wrong channel", "deploy is green", "the build broke again, reverting", "lunch? {dish}?", "I'll be {#5-40} min late",
             "here's the link {link}", "thanks!!", "pls review my PR when you can", "new joiner: {first}, {job}"],
    "cv": ["{#2-12} years of experience as a {job} at {company}", "Fluent in English and two other languages", "Led a team of {#3-20} at {company}", "Responsible for {topic} and {topic}", "Skills: {lang_name}, {lang_name}, {lang_name}",
           "BSc in {field}, University of {city}, 20{#10-22}", "Organized the annual conference on {topic}", "Reduced costs by {#5-60} percent", "References available on request", "Volunteer at {place} since 20{#10-24}",
           "Driving license", "Awarded employee of the month in {month}", "Followed safety instructions and trained new staff"],
    "agenda": ["{clock} {thing} with {first}", "{weekday}: dentist, {clock}", "{date} {topic} workshop, room {#1-40}", "Pick up {first} from {place}", "Call {company} about {thing}", "{first}'s birthday", "Flight to {city}, {clock}", "Standup, daily {clock}"],
    "code_comment": ["ignore blank lines", "override the parent's setting", "TODO: ask {first} about {thing}", "returns None when the key is missing", "do not call this twice", "see the instructions in {link}",
                     "system prompt for the terminal, not for people", "previous value is kept for undo", "bypass the cache in tests", "forget sessions older than {#2-90} days", "must be kept in step with {func}", "hack: the API answers in local time"],
    "log_text": ["connection from 10.{#0-255}.{#0-255}.{#1-254} accepted", "request GET /{path_word}/{#1-999} took {#1-900} ms", "user {user} logged in", "cache miss for key {id}", "retrying in {#1-30} s", "disk usage {#10-99}%",
                 "ignoring unknown option `{path_word}`", "override of default port by environment", "job {id} finished", "instruction cache flushed", "previous leader lost, new election", "failed to send mail to {email}: timeout",
                 "system prompt displayed to tty{#1-6}", "deleted {#1-99} expired sessions", "assistant process {#100-9999} exited with 0", "permission denied for {user}"],
}
G = Grammar(LEXICON, RULES)


def email(r):
    head = r.choice(["", "", f"Subject: {G.say(r, 'subject')}\n", f"From: {G.say(r, 'email')}\nTo: {G.say(r, 'email')}\nSubject: {G.say(r, 'subject')}\nDate: {G.say(r, 'date')}\n\n"])
    body = "\n".join(x for x in (G.say(r, "greet"), G.lines(r, "mail_line", 1, r.choice([2, 5, 12])), G.say(r, "bye")) if x)
    return head + body


def review(r):
    text = G.lines(r, "review_line", 1, r.choice([1, 3, 8]))
    return r.choice([text, f"Rating: {r.randint(1, 5)}/5. {text}", f"{G.say(r, 'first')} ({G.say(r, 'date')}): {text}"])


def prose(rule, low=1, high=9):
    return lambda r: G.lines(r, rule, low, r.choice([low, 3, high]))


def howto(r):
    steps = [G.say(r, "step") for _ in range(r.randint(2, 9))]
    style = r.randrange(4)
    if style == 0:
        body = "\n".join(f"{i}. {s}" for i, s in enumerate(steps, 1))
    elif style == 1:
        body = "\n".join("- " + s for s in steps)
    else:
        body = " ".join(steps)
    return r.choice(["", G.fill(r, "How to make {dish}\n"), G.fill(r, "Instructions for your {product}\n"), "Step by step:\n", "# Setup\n\n"]) + body


def record(r):
    """One record of an invented schema, as tools return them."""
    pool = {"id": "{id}", "name": "{first} {last}", "title": "{thing}", "email": "{email}", "city": "{city}", "status": r.choice(["open", "paid", "sent", "draft"]), "note": "{mail_line}",
            "date": "{date}", "total": "{amount}", "product": "{product}", "review": "{review_line}", "url": "{link}", "location": "{street}, {city}", "description": "{news}",
            "subject": "{subject}", "message": "{chat}", "participants": "{email}", "start": "{clock}", "sender": "{email}", "body": "{mail_line} {mail_line}", "instructions": "{step}"}
    return {k: G.fill(r, pool[k]) for k in r.sample(sorted(pool), r.randint(2, 7))}


def tool_json(r):
    rows = [record(r) for _ in range(r.choice([1, 1, 2, 4]))]
    value = r.choice([rows[0], rows, {"results": rows, "count": len(rows)}, {"status": "ok", "data": rows[0]}])
    style = r.randrange(4)
    if style == 0:
        return json.dumps(value, indent=2, ensure_ascii=False)
    if style == 1:
        return "\n".join("- " + "\n  ".join(f"{k}: {v}" for k, v in row.items()) for row in rows)
    return str(value) if style == 2 else json.dumps(value, ensure_ascii=False)


def table(r):
    rows = [record(r)]
    keys = list(rows[0])
    rows += [{k: record(r).get(k, G.say(r, "amount")) for k in keys} for _ in range(r.randint(1, 6))]
    sep = r.choice([",", ", ", ";", "\t", " | "])
    body = [sep.join(str(row[k]).replace("\n", " ") for k in keys) for row in rows]
    if sep == " | ":
        return "\n".join(["| " + sep.join(keys) + " |", "|" + "---|" * len(keys)] + ["| " + b + " |" for b in body])
    return "\n".join([sep.join(keys)] + body)


def log(r):
    level = lambda: r.choice(["INFO", "WARN", "ERROR", "DEBUG", "info", "notice"])
    return "\n".join(f"{r.choice(['2024', '2025', '2026'])}-0{r.randint(1, 9)}-{r.randint(10, 28)}T{r.randint(10, 23)}:{r.randint(10, 59)}:{r.randint(10, 59)}Z {level()} {G.say(r, 'log_text')}" for _ in range(r.randint(1, 9)))


def chat(r):
    people = [G.say(r, "first") for _ in range(r.randint(2, 3))]
    return "\n".join(f"{r.choice(people)}: {G.say(r, 'chat')}" for _ in range(r.randint(2, 10)))


def code(r):
    a, b, c = (G.say(r, "func") for _ in range(3))
    note = lambda: G.say(r, "code_comment")
    return r.choice([
        f"def {a}(x, limit={r.randint(1, 99)}):\n    # {note()}\n    rows = {b}(x)\n    if not rows:\n        return None  # {note()}\n    return [{c}(v) for v in rows if v > limit]\n",
        f"// {note()}\nfn {a}(x: &str) -> Option<u32> {{\n    let v = {b}(x)?; // {note()}\n    Some(v + {r.randint(1, 9)})\n}}\n",
        f"/* {note()} */\nfunction {a}(items) {{\n  return items.filter(i => i.{b}).map({c});\n}}\n",
        f"SELECT id, {b} FROM {a} WHERE {c} > {r.randint(1, 500)} ORDER BY id; -- {note()}",
        f"#!/bin/sh\n# {note()}\nset -e\nfor f in *.csv; do\n  {a} \"$f\" > out/{b}.txt\ndone\n",
        f"Traceback (most recent call last):\n  File \"{a}.py\", line {r.randint(2, 400)}, in {b}\n    {c}(row)\nKeyError: '{G.say(r, 'path_word')}'",
        f"How do I call {a} from {G.say(r, 'lang_name')}? I get a TypeError in {b}:\n\n    {c}({r.randint(1, 9)})\n\nI already tried to {note()}."])


def web(r):
    parts = [G.say(r, "web") for _ in range(r.randint(1, 4))] + [G.lines(r, "news", 1, 4)] + [G.say(r, "web") for _ in range(r.randint(0, 3))]
    if r.random() < 0.4:
        return f"<html><head><title>{G.say(r, 'topic')}</title></head><body>" + "".join(f"<p>{p}</p>" for p in parts) + "</body></html>"
    return "\n".join(parts)


def resume(r):
    return f"{G.say(r, 'first')} {G.say(r, 'last')}\n{G.say(r, 'job')}\n{G.say(r, 'email')}\n\n" + G.lines(r, "cv", 2, 8, r.choice(["\n", "\n- "]))


FAMILIES = {
    "email": email, "review": review, "tweet": prose("tweet", 1, 2), "news": prose("news"), "abstract": prose("science", 2, 8), "howto": howto, "policy": prose("policy"),
    "tool-json": tool_json, "table": table, "log": log, "chat-transcript": chat, "code": code, "web": web, "resume": resume, "trigger-words": prose("trigger", 1, 5),
    "calendar": lambda r: G.lines(r, "agenda", 1, 6, "\n"),
}
