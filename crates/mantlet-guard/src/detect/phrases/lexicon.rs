//! The words of attacks by what they do, in eighteen languages.
//!
//! A term stands at the edges of words; one that ends with `*` goes on in any way. Terms are folded before they are compared
//! (see [`fold`](crate::normalize::fold)), so they may be written as their language writes them.

/// What a term does in an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Class {
    /// Takes something out of force: *ignore*.
    Override,
    /// What came before: *previous*.
    Prior,
    /// What belongs to whom is spoken to: *your*.
    Own,
    /// What a model is told: *instructions*.
    Instruction,
    /// Makes something known: *reveal*.
    Reveal,
    /// What a model is told and should keep: *system prompt*.
    System,
    /// The same, of the one that is spoken to: *your instructions*, *the text above*.
    OwnSystem,
    /// Gives the model another part to play: *you are now*.
    Role,
    /// Speaks of nothing being forbidden: *without restrictions*.
    Unbound,
    /// Forbids to refuse, or gives the first words of the answer: *never refuse*.
    Refusal,
    /// Speaks to a model: *AI assistant*.
    Address,
    /// Presses: *you must*.
    Command,
    /// Announces other instructions: *new task*.
    NewTask,
    /// Brings something elsewhere: *forward*.
    Send,
    /// What should stay: *password*.
    Secret,
    /// An address: *https://*.
    Destination,
    /// Has something done: *call the function*.
    Tool,
    /// Keeps the user in the dark: *do not tell the user*.
    Stealth,
    /// What the reader of a document is about to write: *your summary*.
    Output,
    /// Puts something into it: *include*.
    Put,
    /// Reads a code: *decode*.
    Decode,
    /// Does what is read: *follow*.
    Obey,
}

/// How many classes there are.
pub(super) const CLASSES: usize = Class::Obey as usize + 1;

/// The terms of each class, separated by `|`.
pub(super) const TERMS: &[(Class, &str)] = &[
    (
        Class::Override,
        "ignore|ignores|ignoring|ignored|disregard|disregarding|forget|forgetting|bypass|bypassing|override|overrides|\
        overriding|overrule|neglect|discard|drop|dismiss|overlook|abandon|supersede*|nullify|nullified|void|revoke*|suspend|suspended|\
        invalidate*|erase|wipe|cancel|canceled|cancelled|clear|reset|unlearn|set aside|put aside|throw away|throw out|cast aside|\
        pay no attention|do not follow|don't follow|not following|stop following|cease following|no longer follow|do not obey|\
        don't obey|stop obeying|disobey|no longer bound|not bound|no longer apply|do not apply|don't apply|precedence over|\
        instead of following|leave behind|skip|delete|remove|disable|deactivate|turn off|replace|replaces|omit|do away with|\
        move past|look past|violate|break|circumvent|evade|obsolete|contrary to|let go of|ditch|scrap|have been lifted",
    ),
    (
        Class::Override,
        "jangan hiraukan|отмени*|iptal et*|annulez|anula|annulla|ignorier*|vergiss|vergessen sie|vergesst|missachte*|überschreib*|übergeh*|umgeh*|verwirf|beachte nicht|\
        ignorez|ignore|ignorer|oubliez|oublie|oublier|négligez|ne tenez pas compte|ne tiens pas compte|ne tenez plus compte|contourne*|\
        ignora|ignorad|ignoren|ignorar|ignores|olvida|olvide|olvídate|olvidar|olviden|descarta|omite|omitir|haz caso omiso|no hagas caso|\
        ignorate|ignori|ignorare|dimentica|dimenticate|dimenticare|trascura|scorda|non tenere conto|non considerare|\
        ignorem|esqueça|esquece|esquecer|desconsidere|desconsiderar|descarte|não siga|negeer|negeren|vergeet|vergeten|sla over|\
        zignoruj|ignoruj|zapomnij|pomiń|pomijaj|nie zwracaj uwagi",
    ),
    (
        Class::Override,
        "игнориру*|проигнориру*|забудь*|забуд*|отбрось*|пренебре*|не следуй*|не обращай внимания|\
        görmezden gel*|yoksay*|yok say*|unut|unutun|dikkate alma*|göz ardı et*|abaikan|lupakan|mengabaikan|ignorera|glöm|bortse från|\
        bỏ qua|quên|phớt lờ|đừng tuân|تجاهل|انس|تخط|تجاوز|لا تتبع|अनदेखा|अनदेखी|नज़रअंदाज|नजरअंदाज|भूल जा|उपेक्षा|\
        忽略|忽視|忽视|无视|無視|忘记|忘掉|忘了|忘れ|不要理会|不要遵守|不要遵循|不理会|跳过|绕过|抛开|覆盖|撤销|取り消|従わない|従わず|スキップ|\
        무시|잊어|잊고|따르지 마",
    ),
    (
        Class::Prior,
        "previous|previously|prior|above|earlier|preceding|before|so far|until now|up to now|foregoing|at the start|at the beginning|came before|from the start|aforementioned|initial|\
        initially|original|existing|former|past|first|foundational|pre existing|just told|been told|were told|were given|given|received|\
        vorherig*|vorig*|bisherig*|früher*|obig*|vorangegangen*|vorangehend*|ursprünglich*|bisher|précédent*|antérieur*|préalable*|\
        ci dessus|initiale*|avant|anterior*|previ*|arriba|inicial*|hasta ahora|precedent*|sopra|finora|acima|até agora|vorige|\
        voorgaande*|eerdere|bovenstaande|poprzedni*|wcześniejsz*|powyższ*|dotychczasow*|предыдущ*|прежн*|выше*|ранее|прошл*|\
        önceki|yukarıdaki|evvelki|sebelumnya|di atas|terdahulu|tidigare|föregående|ovanstående|trước|trên|السابق|السابقة|أعلاه|سابق|\
        पिछल|पूर्व|उपरोक्त|पहले|之前|以前|先前|前面|上面|以上|上述|此前|これまで|前の|上記|先ほど|今まで|이전|앞의|위의|지금까지|앞서",
    ),
    (
        Class::Own,
        "your|all|any|every|the|these|those|system|developer|safety|security|content|ethical|moral|openai|anthropic|google|default|current|\
        deine*|ihre*|alle*|vos|tes|tous|toutes|tus|sus|todas|todos|tue|tuoi|tutte|tutti|suas|seus|je|jouw|alle|twoje|wszystki*|\
        все|всех|твои|ваши|tüm|bütün|semua|alla|dina|tất cả|mọi|جميع|كل|सभी|सब|所有|全部|一切|你的|您的|すべて|全て|あなたの|모든|당신의|너의",
    ),
    (
        Class::Instruction,
        "instruction*|prompt|prompts|prompting|rule|rules|guideline*|guidance|direction|directions|directive*|command|commands|order|\
        orders|constraint*|restriction*|policy|policies|programming|training|context|protocol*|limitation*|filter|filters|\
        safeguard*|guardrail*|task|tasks|assignment*|request|requests|everything|what you were told|what i said|what you have been told|\
        messages|conversation|conversations|content|text|boundaries|alignment|what was written|what you were told|what i told you|everything that|whatever was|what was said|tout ce qu|tudo o que|todo lo que|safety measures|parameters|moderation|\
        anweisung*|instruktion*|befehl*|vorgabe*|regeln|richtlinien|aufgabe*|aufträge|auftrag|alles|anordnung*|\
        consigne*|instructions|règles|directives|ordres|commandes|tout ce qui|invites|instruccion*|instrucción|reglas|órdenes|indicacion*|\
        directrices|comandos|mandatos|todo lo|istruzion*|regole|ordini|comandi|indicazioni|direttive|tutto|instruç*|regras|ordens|\
        diretrizes|orientaç*|tudo|instructies|aanwijzingen|regels|opdracht*|richtlijnen|polece*|instrukcj*|zasad*|wytyczn*|reguł*|\
        инструкци*|указани*|команд*|правил*|приказ*|распоряжени*|промпт*|сообщени*|talimat*|komut*|yönerge*|kural*|emir*|\
        instruksi*|perintah*|aturan*|arahan*|instruktion*|anvisning*|regler*|hướng dẫn|chỉ thị|chỉ dẫn|mệnh lệnh|lệnh|quy tắc|yêu cầu|\
        تعليمات|التعليمات|أوامر|الأوامر|توجيهات|التوجيهات|قواعد|القواعد|निर्देश|आदेश|नियम|हिदायत|\
        指令|指示|指导|说明|命令|规则|規則|規定|限制|要求|提示|提示词|内容|ルール|命令|指図|プロンプト|制約|지시|명령|규칙|지침|프롬프트|내용",
    ),
    (
        Class::Reveal,
        "reveal|show|print|display|output|repeat|tell|give|list|write|disclose|expose|leak|share|dump|recite|echo|what is|what's|\
        what are|what were|what was|whats|summarize|summarise|translate|return|provide|copy|paraphrase|encode|type|state|say|describe|\
        spell|convert|explain|read|quote|reproduce|replicate|verbatim|word for word|regurgitate|restate|confess|divulge|report|\
        zeig*|nenne|gib|verrate*|wiederhol*|drucke|schreib*|sag mir|wie lauten|was steht|montre*|affiche*|révèle*|répète*|donne*|quelles sont|\
        quel est|muestra*|muéstrame|revela*|repite|dime|imprime|cuáles son|cuál es|mostra*|rivela*|ripeti|dimmi|stampa|quali sono|\
        mostre|revele|repita|diga|quais são|qual é|toon|onthul|herhaal|geef|pokaż|ujawnij|powtórz|wypisz|podaj|покажи*|раскрой*|\
        выведи*|повтори*|напечатай*|скажи*|göster*|açıkla*|yazdır*|tekrarla*|söyle*|tunjukkan|ungkapkan|ulangi|tampilkan|visa|avslöja|upprepa|\
        tiết lộ|hiển thị|in ra|cho tôi|lặp lại|اكشف|أظهر|اعرض|اطبع|كرر|اخبرني|أخبرني|दिखा|बता|प्रकट|दोहरा|\
        显示|顯示|透露|泄露|告诉|告訴|输出|重复|打印|展示|列出|揭示|教えて|表示|開示|出力|繰り返|見せて|明かし|보여|알려|출력|공개|반복|말해",
    ),
    (
        Class::System,
        "system prompt*|system message*|system instruction*|pre prompt|preprompt|\
        prompt text|developer message|developer instruction*|developer prompt|meta prompt|\
        internal instruction*|internal prompt|internal guidelines|internal rules|\
        confidential instruction*|instructions verbatim|custom instruction*|systemprompt|system prompt|\
        systemanweisung*|prompt système|message système|instructions système|prompt del sistema|\
        instrucciones del sistema|mensaje del sistema|prompt di sistema|istruzioni di sistema|\
        prompt do sistema|instruções do sistema|systeemprompt|prompt systemowy|instrukcje systemowe|\
        системн*|sistem istemi*|sistem talimat*|sistem mesaj*|prompt sistem|instruksi sistem|\
        lời nhắc hệ thống|hướng dẫn hệ thống|prompt hệ thống|موجه النظام|تعليمات النظام|\
        सिस्टम प्रॉम्प्ट|सिस्टम निर्देश|系统提示|系统指令|系統提示|システムプロンプト|システム指示|시스템 프롬프트|시스템 메시지",
    ),
    (
        Class::OwnSystem,
        "initial prompt|initial instruction*|initial message|hidden instruction*|\
        hidden prompt*|hidden rules|secret instruction*|secret prompt|your instruction*|your prompt*|\
        your rules|your guidelines|your system|your initial|your original|your hidden|your secret|\
        your exact instruction*|your full|your configuration|your directives|your programming|\
        original instruction*|original prompt|text above|words above|everything above|above text|\
        above instruction*|instructions above|sentences above|prompt above|lines above|starting prompt|\
        instructions you were given|instructions you received|your context window|you were instructed|\
        deine anweisung*|ihre anweisung*|vos instructions|tes instructions|tus instrucciones|\
        sus instrucciones|tue istruzioni|suas instruções|jouw instructies|twoje instrukcje|\
        твои инструкции|ваши инструкции|dina instruktioner|تعليماتك|初始提示|初始指令|隐藏指令|你的指令|你的提示|初期指示|초기 지시|\
        prompt above|instructions you have|what you were told|instructions you follow|the prompt you|\
        prior text|preceding text|everything before|everything you were told|text before this|\
        conversation so far|first sentence you",
    ),
    (
        Class::Role,
        "you are now|you're now|act as|acting as|act like|pretend to be|pretend you|pretend that|pretend as|pretending|roleplay|role play|\
        role playing|roleplaying|from now on|from this point|henceforth|simulate|simulation|imagine you|imagine that you|imagine a|imagine we|\
        you are going to|you are about to|you will be|take on the role|take the role|play the role|playing the role|play as|impersonate|assume the role|\
        assume the persona|assume the identity|persona|alter ego|respond as|answer as|reply as|speak as|behave as|behave like|immerse yourself|\
        you become|enter developer|enable developer|in character|character named|evil twin|evil version|hypothetical|fictional|in a world|\
        stands for|your new name|your name is|switch to|you have been freed|opposite|game|story|novel|screenplay|\
        du bist jetzt|du bist nun|tu so als|stell dir vor|ab jetzt|ab sofort|von nun an|spiele die rolle|verhalte dich|agiere als|\
        tu es maintenant|vous êtes maintenant|agis comme|agissez comme|fais semblant|à partir de maintenant|imagine que|joue le rôle|\
        ahora eres|actúa como|actua como|finge que|finge ser|a partir de ahora|imagina que|haz de cuenta|ora sei|agisci come|fingi di|\
        fai finta|d'ora in poi|da ora in poi|immagina|agora você é|aja como|finja|a partir de agora|imagine que|je bent nu|doe alsof|\
        vanaf nu|gedraag je|jesteś teraz|zachowuj się|udawaj|od teraz|wyobraź sobie|теперь ты|ты теперь|представь|притворись|веди себя|\
        отныне|с этого момента|действуй как|artık sen|sen artık|gibi davran|rolünü|bundan sonra|şu andan itibaren|sekarang kamu|anda sekarang|\
        bertindak sebagai|berpura pura|mulai sekarang|du är nu|låtsas|från och med nu|agera som|bây giờ bạn|hãy đóng vai|đóng vai|giả vờ|từ giờ|từ bây giờ|\
        أنت الآن|تظاهر|تصرف ك|من الآن فصاعدا|تخيل|अब आप|अब तुम|की तरह काम|की भूमिका|नाटक कर|अब से|कल्पना करें|现在你是|你现在是|扮演|假装|从现在开始|从现在起|想象你|\
        角色|あなたは今|ふりをし|演じて|として振る舞|今から|これから|なりきって|이제 너는|이제 당신은|역할을|인 척|지금부터|가정해|행동해",
    ),
    (
        Class::Unbound,
        "without restriction*|without any restriction*|no restrictions|no rules|no limits|no limitations|no boundaries|no ethical|no moral*|no ethics|\
        no filter|no filters|no content policy|no guidelines|no censorship|unfiltered|uncensored|unrestricted|unconstrained|unshackled|do anything now|dan|\
        jailbreak*|jailbroken|developer mode|dev mode|god mode|debug mode|sudo mode|admin mode|maintenance mode|root mode|unrestricted mode|\
        without limitation*|without any limitation*|without filter*|without any filter*|without censorship|without any censorship|without regard|without any ethical|\
        without moral*|ethical guidelines|moral guidelines|ethical or moral|ethics or morals|moral or ethical|ethical constraints|ethical concerns|\
        free from|freed from|free of|broken free|break free|amoral|unethical|immoral|unmoral|anything goes|regardless of|legality|legal or ethical|\
        content policy|content policies|openai policy|openai policies|openai's|safety guidelines|safety filter*|safety protocol*|safety restriction*|\
        no warnings|machiavellian|nothing is off limits|not bound by|typical confines|confines of ai|all restrictions|harmful content|illegal activities|\
        illegal or unethical|bypass|ohne einschränkung*|ohne beschränkung*|ohne filter|keine regeln|unzensiert|sans restriction*|sans limite*|\
        sans filtre|aucune restriction|aucune règle|non censuré|sin restricciones|sin límites|sin filtro*|sin censura|ninguna regla|senza restrizioni|\
        senza limiti|senza filtri|senza censura|nessuna regola|sem restrições|sem limites|sem filtro*|sem censura|zonder beperkingen|zonder filter*|\
        ongecensureerd|bez ograniczeń|bez cenzury|bez filtr*|без ограничен*|без цензур*|без фильтр*|kısıtlama olmadan|sınırsız|sansürsüz|filtresiz|\
        tanpa batasan|tanpa sensor|tanpa filter|utan begränsningar|utan restriktioner|utan filter|không giới hạn|không bị hạn chế|không kiểm duyệt|بدون قيود|\
        بلا قيود|دون قيود|بدون رقابة|बिना किसी प्रतिबंध|बिना प्रतिबंध|बिना किसी रोक|没有限制|没有任何限制|不受限制|不受任何限制|无限制|无审查|開発者モード|开发者模式|制限なし|\
        制限のない|無制限|検閲なし|제한 없이|제약 없이|제한 없는|검열 없이|개발자 모드",
    ),
    (
        Class::Refusal,
        "never refuse*|cannot refuse|can't refuse|not refuse|don't refuse|unable to refuse|refuse nothing|never say no|never say you can|\
        can't say no|cannot say no|not say you can|say that you can|i cannot|i can't|i'm sorry|i am sorry|i apologize|as an ai|as a language model|\
        not apologize|don't apologize|no apologies|never apologize|never mention|not mention|break character|stay in character|stays in character|breaking character|\
        disclaimer|disclaimers|without warnings|no warning|start your response with|start your answer with|start your reply with|starting with sure|\
        begin your response with|begin your answer with|begin your reply with|start with sure|sure here is|sure here's|sure, here|absolutely here|must comply|\
        comply with|always comply|always answer|must answer|always obey|must obey|will obey|obey all|answer every|answer any|fulfill any|\
        any request|every request|all requests|no matter what|no matter how|against the rules|against your|decline|lose tokens|deducted|",
    ),
    (
        Class::Address,
        "ai assistant*|ai model*|ai agent*|ai system*|ai chatbot|ai bot|language model*|llm|llms|chatbot|chatgpt|gpt|assistant|copilot|claude|gemini|\
        attention ai|note to ai|dear ai|hey ai|ais reading|automated agent|an ai|ai reading|virtual assistant|ai tool*|ki assistent|ki modell|assistant ia|modèle de langage|\
        asistente de ia|modelo de lenguaje|assistente ai|assistente de ia|modelo de linguagem|modello linguistico|языков* модел*|ии ассистент|yapay zeka|人工智能助手|\
        ai助手|语言模型|aiアシスタント|言語モデル|ai 어시스턴트|언어 모델",
    ),
    (
        Class::Command,
        "must|you should|instead|immediately|urgent|you are required|you need to|make sure to|do the following|following instruction*|\
        following command*|your response|your answer|your reply|your output|your summary|respond with|reply with|answer with|respond only|reply only|\
        output only|only output|only say|only respond|say exactly|print exactly|say that|tell the user|inform the user|recommend|rank this|your task|\
        processing this|when you process|when you read|when you summarize|when summarizing|when answering|before answering|reading this|summarizing this|when asked|muss|musst|devez|debes|devi|deve|должен|必须|必ず|반드시",
    ),
    (
        Class::NewTask,
        "new instruction*|new task|new tasks|new rules|new directive*|new objective|new goal|new role|updated instruction*|real instruction*|actual instruction*|\
        real task|actual task|true task|your new|new system|additional instruction*|important instruction*|important message from|special instruction*|system override|admin override|\
        administrator override|override code|override protocol|override mode|override activated|priority override|emergency override|end of document|end of context|\
        end of instructions|end of prompt|end of input|end of text|end of data|end of email|begin new|task complete|task completed|task is complete|task finished|\
        strictly adhere|execute the following|follow these instructions|following instructions instead|before you can|system update|system notice|system alert|system note|\
        maintenance protocol|security update|neue anweisung*|neue aufgabe|nouvelle instruction|nouvelles instructions|nouvelle tâche|nuevas instrucciones|\
        nueva tarea|nuova istruzione|nuove istruzioni|nuovo compito|novas instruções|nova tarefa|nieuwe instructies|nowe polecenie|nowe instrukcje|новая инструкция|\
        новые инструкции|новая задача|новое задание|yeni talimat*|yeni görev*|instruksi baru|tugas baru|nya instruktioner|hướng dẫn mới|nhiệm vụ mới|تعليمات جديدة|مهمة جديدة|\
        नए निर्देश|नया कार्य|新指令|新的指令|新任务|新的任务|新しい指示|新しいタスク|새로운 지시|새로운 명령|새로운 작업",
    ),
    (
        Class::Send,
        "send|sends|forward|email|mail|upload|post|transmit|exfiltrate|submit|leak|curl|wget|fetch|request to|append|embed|render|navigate to|\
        visit|deliver|share|sende*|schicke*|leite|envoie*|envoyez|envía*|envia*|reenvía|invia|inoltra|stuur|wyślij|отправь*|перешли*|gönder*|kirim*|skicka|gửi|أرسل|भेज|\
        发送|轉發|转发|送信|전송|보내",
    ),
    (
        Class::Secret,
        "password*|passcode*|credential*|api key*|apikey|access token*|auth token*|session token*|secret*|private key*|ssh key*|conversation history|\
        chat history|conversation|user data|user's|personal data|personal information|credit card*|card number*|ssn|social security|environment variable*|\
        env file|address book|contacts|bank account*|account number*|medical record*|saved addresses|payment method*|customer data|customer list*|customer record*|user record*|employee record*|sales data|internal data|summary text|database|all data|all emails|\
        all files|inbox|transaction history|passwort|mot de passe|contraseña|senha|wachtwoord|hasło|парол*|şifre*|kata sandi|lösenord|mật khẩu|كلمة المرور|\
        पासवर्ड|密码|パスワード|비밀번호",
    ),
    (
        Class::Destination,
        "http|https|www|.com|.net|.org|.io|@|ftp|webhook*|attacker*|endpoint|external server|remote server",
    ),
    (
        Class::Tool,
        "call the|calling the|use the tool|use tool|use your tool*|call tool|call function|invoke|tool call*|function call*|run the command|run the following|run this|\
        execute|executing|transfer|wire|grant|unlock|disable|rm rf|os.system|subprocess|eval|shell command*|terminal command*|run code|schedule a|delete all|\
        drop table|make a payment|purchase|create a new user|admin access|change the password|reset the password",
    ),
    (
        Class::Stealth,
        "not tell the user|not inform the user|don't tell the user|don't inform the user|not mention this|not mention these|not mention that you|don't mention this|\
        not reveal this|without telling|without informing|without notifying|without asking|without confirmation|without the user|without user|without their knowledge|\
        silently|secretly|covertly|discreetly|not notify|not alert|hide this|keep this hidden|not disclose this|not acknowledge|not show this|unnoticed",
    ),
    (
        Class::Output,
        "your summary|your response|your answer|your reply|your output|your final answer|\
        your final response|your analysis|your report|your message|your next message|the summary|\
        the response|this summary|your translation|your review|all responses|every response|\
        the final answer|your evaluation|your recommendation|tu respuesta|votre réponse|ta réponse|\
        deine antwort|ihre antwort|deiner antwort|la tua risposta|sua resposta|你的回答|回答中|你的回复|あなたの回答|回答に|\
        답변에",
    ),
    (
        Class::Put,
        "include|includes|add|append|prepend|insert|mention|begin|start|end|finish|conclude|\
        say|state|write|print|output|recommend|promote|praise|rate|rank|respond|reply|answer|attach|\
        embed|put|place|provide|display|show|incluye|añade|agrega|ajoute*|inclus|inclure|füge|ergänze|\
        beginne|includi|aggiungi|inclua|adicione|包含|加入|添加|包括|含め|追加し|포함|추가",
    ),
    (
        Class::Decode,
        "decode*|decoding|decrypt*|decipher*|unscramble*|base64|rot13|hex encoded|morse|\
        cipher|caesar|translate this|reverse this|reversed|encoded|dekodier*|entschlüssel*|décode*|\
        decodifica*|解码|解密|デコード|디코딩",
    ),
    (
        Class::Obey,
        "follow|obey|execute|carry out|comply|act on|do what|do exactly|perform|run|\
        instruction inside|instructions inside|instruction within|instructions within|respond to|\
        answer it|treat it as|apply|befolge*|führe|suis|exécute*|sigue|ejecuta|esegui|siga|执行|遵循|実行|従って|\
        실행",
    ),
];
