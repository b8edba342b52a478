"""Words that several families share. All names, firms and addresses are invented; domains are reserved ones."""

LEXICON = {
    "first": "Maria|James|Aisha|Kenji|Olu|Sofia|Peter|Lena|Ravi|Chen|Fatima|Tom|Ingrid|Paul|Zoe|Mateo|Hannah|Ali|Nina|"
             "George|Yuki|Carla|Stefan|Amara|Victor|Elif|Noah|Priya|Igor|Marta|Ben|Leila|Oscar|Dana|Felix|Grace",
    "last": "Keller|Okafor|Tanaka|Rossi|Novak|Silva|Haddad|Meyer|Patel|Larsen|Dubois|Kowalska|Moreno|Yilmaz|Chen|Brandt|"
            "O'Neill|Petrov|Sato|Garcia|Fischer|Ahmed|Lindqvist|Baker|Jansen|Costa|Walsh|Ivanova|Nguyen|Fraser",
    "person": ["{first} {last}", "{first}", "Dr. {last}", "Ms. {last}", "Mr. {last}", "{first} {last}"],
    "company": ["{company_a}{company_b}", "{last} & {last}", "{last} {company_c}", "{company_a} {company_c}"],
    "company_a": "North|Blue|Harbor|Silver|Cedar|Quick|Green|Alto|Stone|River|Bright|Iron|Cloud|Maple|Delta|Ever",
    "company_b": "line|works|field|path|leaf|port|ware|gate|mark|peak|bridge|cast",
    "company_c": "Logistics|Bakery|Partners|Labs|Insurance|Media|Foods|Travel|Systems|Energy|Clinic|Books|Motors",
    "city": "Lisbon|Graz|Osaka|Leeds|Austin|Nairobi|Lyon|Porto|Tampere|Bogota|Hanoi|Ghent|Perth|Bergen|Izmir|Turin|Boston|"
            "Cork|Malmo|Quito|Denver|Basel|Krakow|Halifax",
    "street": ["{#1-240} {last} Street", "{#1-99} {company_a} Road", "{#1-80} {city} Avenue"],
    "weekday": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday",
    "month": "January|February|March|April|May|June|July|August|September|October|November|December",
    "date": ["{month} {#1-28}", "{#1-28} {month} 20{#18-26}", "20{#18-26}-0{#1-9}-{#10-28}", "{weekday}", "{#1-28}/{#1-12}/20{#18-26}"],
    "clock": ["{#1-12}:{#10-59} am", "{#1-12}:{#10-59} pm", "{#8-20}:{#10-59}", "{#1-11} o'clock"],
    "amount": ["${#5-950}", "{#5-950}.{#10-99} EUR", "£{#5-950}.{#10-99}", "{#2-40} percent", "{#100-9000} units", "€{#10-99}"],
    "domain": "example.com|example.org|example.net|mail.example|shop.example|news.example|files.example|corp.example",
    "email": ["{user}@{domain}"],
    "user": "info|sales|m.keller|j.tanaka|office|support|billing|a.rossi|hello|press|hr|team|lena.b|peter77",
    "path_word": "reports|archive|invoices|2024|q3|guide|blog|docs|help|orders|media|photos|news|api",
    "link": ["https://{domain}/{path_word}/{path_word}", "http://www.{domain}/{path_word}", "https://{path_word}.{domain}/{#100-9999}"],
    "product": "kettle|headphones|running shoes|desk lamp|backpack|coffee grinder|phone case|office chair|blender|tent|"
               "wireless mouse|air fryer|bike helmet|novel|board game|rain jacket|water bottle|keyboard|vacuum cleaner|"
               "frying pan|smart watch|mattress|toaster|camera|monitor|yoga mat|drill|suitcase|printer|baby stroller",
    "dish": "lentil soup|apple pie|fried rice|mushroom risotto|pancakes|fish tacos|bean stew|chicken curry|greek salad|"
            "banana bread|tomato sauce|dumplings|potato gratin|pizza dough|ramen|hummus|carrot cake|paella|chili|focaccia",
    "ingredient": "flour|butter|two eggs|chopped onions|garlic|olive oil|salt|black pepper|rice|tomatoes|milk|sugar|basil|"
                  "lemon juice|grated cheese|chicken stock|carrots|yeast|honey|ginger|soy sauce|chickpeas|cream|parsley",
    "topic": "solar energy|the local elections|urban gardening|supply chains|school lunches|coral reefs|remote work|housing prices|"
             "public transport|medieval trade|sleep research|wind turbines|language learning|football transfers|bird migration|"
             "open source software|water rights|museum funding|electric buses|chess openings|volcanoes|the history of tea|"
             "noise pollution|vaccines|space telescopes|small businesses|folk music|data centers|rice farming|glaciers",
    "adj": "new|old|quiet|large|simple|useful|late|early|cheap|heavy|bright|careful|annual|local|common|rare|strange|solid",
    "place": "the warehouse|our office|the school|the station|the library|the factory|the clinic|the market|the airport|the lab|"
             "the city hall|the harbor|the hotel|the museum|the stadium",
    "thing": "the invoice|the report|the contract|the schedule|the parcel|the budget|the draft|the agenda|the samples|the keys|"
             "the presentation|the survey|the tickets|the spreadsheet|the minutes|the newsletter|the order|the manual",
    "did": "sent|reviewed|signed|received|lost|updated|printed|forwarded|approved|checked|returned|postponed|finished",
    "job": "nurse|software engineer|accountant|teacher|electrician|project manager|data analyst|chef|pharmacist|architect|"
           "translator|sales representative|mechanical engineer|librarian|designer|logistics coordinator",
    "field": "machine learning|materials science|marine biology|econometrics|distributed systems|immunology|computer vision|"
             "number theory|soil science|cognitive psychology|astrophysics|robotics|epidemiology|programming languages",
    "lang_name": "Python|Rust|Go|JavaScript|Java|C++|SQL|Kotlin|Ruby|TypeScript|C#|Bash",
    "func": "parse_rows|load_config|send_batch|merge_sort|fetch_user|render_page|retry_once|count_words|to_json|close_all|"
            "validate|schedule_job|hash_key|resize_image|read_lines",
    "id": ["{#1000-9999}-{#100-999}", "#{#10000-99999}", "A{#100-999}{#10-99}", "ord_{#100000-999999}"],
}
